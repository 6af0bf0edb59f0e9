#include "observe/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace fairlead::observe {
namespace {

namespace fs = std::filesystem;

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonLine, EveryKindOfFieldIsWritten) {
  JsonLine line;
  line.add("plugin", "tcp").add("bytes_in", std::uint64_t{18'446'744'073'709'551'615U}).add("delta", -3).add("ok", true);
  line.add("duration", Duration(1'500'000)).add("time", WallTime{});
  EXPECT_EQ(line.finish(),
            R"({"plugin":"tcp","bytes_in":18446744073709551615,"delta":-3,"ok":true,"duration":0.001500,"time":"1970-01-01T00:00:00.000Z"})"
            "\n");
  EXPECT_EQ(JsonLine().finish(), "{}\n");
}

TEST(JsonLine, NothingBreaksOutOfAString) {
  EXPECT_EQ(json_string("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(json_string("\n\r\t\x01\x7f"), R"("\u000a\u000d\u0009\u0001\u007f")");
  EXPECT_EQ(json_string(std::string_view("\0", 1)), R"("\u0000")");
  EXPECT_EQ(json_string("grüße 你 😀"), "\"grüße 你 😀\"");
}

TEST(JsonLine, WhatIsNotUtf8IsReplacedByteByByte) {
  EXPECT_EQ(json_string("a\xff"
                        "b"),
            R"("a\ufffdb")");
  EXPECT_EQ(json_string("\xc3"), R"("\ufffd")");                       // cut short
  EXPECT_EQ(json_string("\xc0\xaf"), R"("\ufffd\ufffd")");             // overlong
  EXPECT_EQ(json_string("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")");   // a surrogate
  EXPECT_EQ(json_string("\xf4\x90\x80\x80").size(), 2 + 4 * 6u);       // over U+10FFFF
  EXPECT_EQ(json_string("\xf4\x8f\xbf\xbf"), "\"\xf4\x8f\xbf\xbf\"");  // U+10FFFF
  EXPECT_EQ(json_string("\xc3\"x"), R"("\ufffd\"x")") << "a cut sequence does not swallow the quote";
}

class AccessLogTest : public testing::Test {
 protected:
  AccessLogTest() {
    std::string folder = (fs::temp_directory_path() / "access_log_test.XXXXXX").string();
    folder_ = ::mkdtemp(folder.data());
    path_ = (folder_ / "access.log").string();
  }
  ~AccessLogTest() override { fs::remove_all(folder_); }

  static JsonLine numbered(int n) {
    JsonLine line;
    line.add("n", n);
    return line;
  }
  static std::string read(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  fs::path folder_;
  std::string path_;
};

TEST_F(AccessLogTest, LinesAreWrittenInOrderAndAtTheEndAtTheLatest) {
  std::string expected;
  {
    auto log = AccessLog::open({.path = path_}).value();
    for (int i = 0; i < 1000; i++) {
      log->write(numbered(i));
      expected += "{\"n\":" + std::to_string(i) + "}\n";
    }
    EXPECT_EQ(log->dropped(), 0u);
  }
  EXPECT_EQ(read(path_), expected);
}

TEST_F(AccessLogTest, FlushReturnsWhenAllIsInTheFile) {
  auto log = AccessLog::open({.path = path_}).value();
  for (int i = 0; i < 20; i++) {
    log->write(numbered(i));
    log->flush();
    EXPECT_TRUE(read(path_).ends_with("{\"n\":" + std::to_string(i) + "}\n"));
  }
  log->flush();  // with nothing to write
}

TEST_F(AccessLogTest, AnExistingFileIsContinued) {
  std::ofstream(path_) << "before\n";
  AccessLog::open({.path = path_}).value()->write(numbered(1));
  EXPECT_EQ(read(path_), "before\n{\"n\":1}\n");
}

TEST_F(AccessLogTest, AFullQueueDropsAndCounts) {
  // The reader of this pipe does not read: the thread stands, and the queue fills.
  const std::string pipe = (folder_ / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  constexpr std::size_t kQueue = 100'000;
  auto log = AccessLog::open({.path = pipe, .queue = kQueue}).value();
  int sent = 0;
  while (log->dropped() == 0 && sent < 1'000'000) log->write(numbered(sent++));
  EXPECT_GT(log->dropped(), 0u);

  ::fcntl(reader, F_SETFL, 0);
  std::size_t lines = 0;
  std::thread drain([&] {
    char buffer[4096];
    for (ssize_t n = ::read(reader, buffer, sizeof buffer); n > 0; n = ::read(reader, buffer, sizeof buffer))
      lines += static_cast<std::size_t>(std::count(buffer, buffer + n, '\n'));
  });
  log->flush();
  const std::uint64_t dropped = log->dropped();
  log.reset();
  drain.join();
  ::close(reader);
  EXPECT_EQ(lines + dropped, static_cast<std::size_t>(sent));
}

TEST_F(AccessLogTest, ReopeningPutsLaterLinesIntoTheNewFile) {
  auto log = AccessLog::open({.path = path_}).value();
  log->write(numbered(1));
  fs::rename(path_, path_ + ".1");
  log->write(numbered(2));
  log->reopen();
  log->write(numbered(3));
  log->flush();
  EXPECT_EQ(read(path_ + ".1"), "{\"n\":1}\n{\"n\":2}\n");
  EXPECT_EQ(read(path_), "{\"n\":3}\n");
}

TEST_F(AccessLogTest, WhenReopeningFailsTheOldFileStays) {
  auto log = AccessLog::open({.path = path_}).value();
  fs::rename(path_, path_ + ".1");
  fs::create_directory(path_);
  log->reopen();
  log->write(numbered(1));
  log->flush();
  EXPECT_EQ(read(path_ + ".1"), "{\"n\":1}\n");
}

TEST_F(AccessLogTest, AFileThatCannotBeOpenedIsAnError) {
  const auto log = AccessLog::open({.path = (folder_ / "missing" / "access.log").string()});
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code(), Code::not_found);
}

TEST_F(AccessLogTest, AFullDiskLosesWholeLinesAndCountsThem) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit low = before;
  low.rlim_cur = 20;  // two lines and a half
  auto log = AccessLog::open({.path = path_}).value();
  ::setrlimit(RLIMIT_FSIZE, &low);
  for (int i = 1; i <= 4; i++) log->write(numbered(i));
  log->flush();
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(log->dropped(), 2u);
  log->write(numbered(5));
  log->flush();
  EXPECT_EQ(read(path_), "{\"n\":1}\n{\"n\":2}\n{\"n\"\n{\"n\":5}\n") << "what comes later begins on a line of its own";
}

}  // namespace
}  // namespace fairlead::observe
