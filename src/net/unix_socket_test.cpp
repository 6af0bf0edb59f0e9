#include "net/unix_socket.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "net/real_network.h"

namespace fairlead::net {
namespace {

namespace fs = std::filesystem;

class UnixSocketTest : public testing::Test {
 protected:
  UnixSocketTest() {
    std::string folder = (fs::temp_directory_path() / "unix_socket_test.XXXXXX").string();
    folder_ = ::mkdtemp(folder.data());
    path_ = (folder_ / "admin.sock").string();
  }
  ~UnixSocketTest() override { fs::remove_all(folder_); }

  AsioLoop loop_;
  RealNetwork network_{loop_};
  fs::path folder_;
  std::string path_;
};

Task<void> talk(AsioLoop& loop, Network& network, Listener& listener, const std::string& path) {
  auto client = connect_unix(loop, path).value();
  auto accepted = co_await listener.accept();
  std::unique_ptr<Stream> server = network.adopt(std::move(accepted).value());
  auto written = co_await client->write(as_bytes("GET"));
  EXPECT_TRUE(written && client->shut());
  std::byte buffer[16];
  auto n = co_await server->read(buffer);
  EXPECT_EQ(n.value(), 3u);
  auto end = co_await server->read(buffer);
  EXPECT_EQ(end.value(), 0u);
  EXPECT_EQ(server->peer(), SocketAddress{});
}

TEST_F(UnixSocketTest, OnlyTheOwnerMayConnectAndThePathGoesWithTheListener) {
  auto listener = listen_unix(loop_, path_).value();
  struct stat found{};
  ASSERT_EQ(::stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600u);
  loop_.run(talk(loop_, network_, *listener, path_));
  listener.reset();
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_EQ(connect_unix(loop_, path_).error().code(), Code::not_found);
}

Task<void> accept_one(Listener& listener) {
  auto accepted = co_await listener.accept();
  EXPECT_TRUE(accepted);
}

TEST_F(UnixSocketTest, ASocketInUseIsNotTaken) {
  auto listener = listen_unix(loop_, path_).value();
  EXPECT_EQ(listen_unix(loop_, path_).error().code(), Code::exists);
  loop_.run(accept_one(*listener));  // the other's look whether somebody listens
  loop_.run(talk(loop_, network_, *listener, path_));
}

TEST_F(UnixSocketTest, ASocketLeftBehindIsReplaced) {
  auto listener = listen_unix(loop_, path_).value();
  const std::string aside = (folder_ / "aside").string();
  fs::rename(path_, aside);  // as if the process had died: the listener no longer finds its path
  listener.reset();
  fs::rename(aside, path_);
  EXPECT_EQ(connect_unix(loop_, path_).error().code(), Code::refused);
  auto next = listen_unix(loop_, path_).value();
  loop_.run(talk(loop_, network_, *next, path_));
}

TEST_F(UnixSocketTest, AFileOfAnotherKindIsKept) {
  std::ofstream(path_) << "precious";
  EXPECT_EQ(listen_unix(loop_, path_).error().code(), Code::exists);
  EXPECT_EQ(fs::file_size(path_), 8u);
}

TEST_F(UnixSocketTest, AListenerLeavesThePathOfItsSuccessor) {
  auto first = listen_unix(loop_, path_).value();
  fs::remove(path_);
  auto second = listen_unix(loop_, path_).value();
  first.reset();
  loop_.run(talk(loop_, network_, *second, path_));
}

TEST_F(UnixSocketTest, APathLongerThanTheSystemTakesWorks) {
  const fs::path deep = folder_ / std::string(120, 'd');
  fs::create_directory(deep);
  const std::string path = (deep / "admin.sock").string();
  auto listener = listen_unix(loop_, path).value();
  loop_.run(talk(loop_, network_, *listener, path));
  listener.reset();
  EXPECT_FALSE(fs::exists(path));
  EXPECT_EQ(listen_unix(loop_, (deep / std::string(120, 'n')).string()).error().code(), Code::invalid);
}

}  // namespace
}  // namespace fairlead::net
