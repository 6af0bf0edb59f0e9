#include "pki/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "pki/private_key.h"
#include "pki/test_certificates.h"

namespace fairlead::pki {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

unsigned mode_of(const fs::path& file) {
  struct stat status{};
  EXPECT_EQ(::stat(file.c_str(), &status), 0);
  return status.st_mode & 07777;
}

std::vector<std::string> entries(const fs::path& dir) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> lines;
void keep_line(log::Level, std::string_view, std::string_view text) { lines.emplace_back(text); }

TEST(Files, AFileIsWrittenWholeWithItsMode) {
  TestFolder folder;
  ASSERT_TRUE(write_file(folder / "a", "one", 0644));
  ASSERT_TRUE(write_file(folder / "a", "two", 0600));
  EXPECT_EQ(read_file(folder / "a", 3).value(), "two");
  EXPECT_EQ(mode_of(folder / "a"), 0600u);
  EXPECT_THAT(entries(folder.path()), ElementsAre("a"));
}

TEST(Files, AFileThatCannotBeWrittenLeavesNothing) {
  TestFolder folder;
  ASSERT_TRUE(fs::create_directory(folder / "a"));  // rename() does not replace a folder by a file
  auto written = write_file(folder / "a", "one", 0644);
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().describe(), HasSubstr("cannot write " + (folder / "a").native() + ": Is a directory"));
  EXPECT_THAT(entries(folder.path()), ElementsAre("a"));
  EXPECT_EQ(write_file(folder / "missing" / "a", "one", 0644).error().code(), Code::not_found);
}

TEST(Files, ReadingHasALimit) {
  TestFolder folder;
  ASSERT_TRUE(write_file(folder / "a", std::string(100'000, 'x'), 0644));
  EXPECT_EQ(read_file(folder / "a", 100'000)->size(), 100'000u);
  EXPECT_EQ(read_file(folder / "a", 99'999).error().message(), (folder / "a").native() + " has more than 99999 bytes");
  EXPECT_EQ(read_file("/dev/zero", 1_MiB).error().code(), Code::too_large);
  EXPECT_EQ(read_file(folder / "b", 1).error().describe(), "cannot read " + (folder / "b").native() + ": No such file or directory");
}

TEST(Files, ASecretThatOthersMayReadIsWarnedOf) {
  TestFolder folder;
  const PrivateKey key = PrivateKey::generate();
  ASSERT_TRUE(key.save(folder / "key.pem"));
  EXPECT_EQ(mode_of(folder / "key.pem"), 0600u);
  lines.clear();
  log::capture(keep_line);
  EXPECT_TRUE(PrivateKey::load(folder / "key.pem"));
  EXPECT_THAT(lines, IsEmpty());
  fs::permissions(folder / "key.pem", fs::perms(0640));
  EXPECT_TRUE(PrivateKey::load(folder / "key.pem"));
  log::capture(nullptr);
  EXPECT_THAT(lines,
              ElementsAre((folder / "key.pem").native() + " has mode 0640: others than its owner may use this secret; `chmod 600` it"));
}

TEST(Files, ADamagedKeyIsRefusedByName) {
  TestFolder folder;
  const std::string pem = PrivateKey::generate().to_pem().reveal();
  auto why_not = [&](const std::string& text) {
    EXPECT_TRUE(write_file(folder / "key.pem", text, 0600));
    auto key = PrivateKey::load(folder / "key.pem");
    return key ? "it can be read" : key.error().describe();
  };
  const std::string file = (folder / "key.pem").native();
  EXPECT_EQ(why_not(pem), "it can be read");
  EXPECT_THAT(why_not(pem.substr(0, 80)), HasSubstr("the key in " + file + " is cut off or damaged: "));
  EXPECT_EQ(why_not(""), file + " has no private key in it (PEM)");
  Ran encrypted = run("openssl genpkey -algorithm ed25519 -aes256 -pass pass:x");
  EXPECT_THAT(why_not(encrypted.output), HasSubstr("the key in " + file + " is encrypted"));
}

TEST(Files, AFolderComesCompleteWithMode0700) {
  TestFolder folder;
  auto fill = [](const fs::path& staging) { return write_file(staging / "a", "one", 0644); };
  ASSERT_TRUE(make_folder(folder / "x" / "y" / "d", fill));
  EXPECT_EQ(mode_of(folder / "x" / "y" / "d"), 0700u);
  EXPECT_THAT(entries(folder / "x" / "y"), ElementsAre("d"));
  EXPECT_THAT(entries(folder / "x" / "y" / "d"), ElementsAre("a"));
  ASSERT_TRUE(make_folder((folder / "e").native() + "/", fill));
  EXPECT_THAT(entries(folder / "e"), ElementsAre("a"));
}

TEST(Files, AFolderThatIsThereIsOnlyReplacedWhenEmpty) {
  TestFolder folder;
  auto fill = [](const fs::path& staging) { return write_file(staging / "a", "one", 0644); };
  fs::create_directory(folder / "empty");
  EXPECT_TRUE(make_folder(folder / "empty", fill));
  EXPECT_EQ(mode_of(folder / "empty"), 0700u);

  fs::create_directory(folder / "full");
  ASSERT_TRUE(write_file(folder / "full" / "b", "two", 0644));
  ASSERT_TRUE(write_file(folder / "file", "two", 0644));
  fs::create_symlink("empty", folder / "link");
  for (const char* name : {"empty", "full", "file", "link"}) {
    auto made = make_folder(folder / name, fill);
    ASSERT_FALSE(made) << name;
    EXPECT_EQ(made.error().code(), Code::exists);
    EXPECT_EQ(made.error().message(),
              (folder / name).native() +
                  " exists already and is not an empty folder: nothing was changed; choose another name, or remove it first");
  }
  EXPECT_THAT(entries(folder.path()), ElementsAre("empty", "file", "full", "link"));
  EXPECT_THAT(entries(folder / "full"), ElementsAre("b"));
  for (const char* name : {".", "..", "/", ""}) EXPECT_EQ(make_folder(name, fill).error().code(), Code::invalid) << name;
}

TEST(Files, AFolderThatFailsHalfWayLeavesNothing) {
  TestFolder folder;
  auto made = make_folder(folder / "d", [](const fs::path& staging) -> Result<void> {
    TRY(write_file(staging / "a", "one", 0644));
    return fail(Code::io, "the disk is full");
  });
  EXPECT_EQ(made.error().message(), "the disk is full");
  EXPECT_THAT(entries(folder.path()), IsEmpty());
}

TEST(Files, AProcessThatDiesHalfWayLeavesNoFolderOfThatName) {
  TestFolder folder;
  auto fill = [](const fs::path& staging) { return write_file(staging / "a", "one", 0644); };
  const pid_t child = ::fork();
  if (child == 0) {
    auto made = make_folder(folder / "d", [&](const fs::path& staging) -> Result<void> {
      TRY(fill(staging));
      ::_exit(7);
    });
    ::_exit(made ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 7);
  EXPECT_FALSE(fs::exists(folder / "d"));
  EXPECT_TRUE(make_folder(folder / "d", fill));
  EXPECT_THAT(entries(folder / "d"), ElementsAre("a"));
}

}  // namespace
}  // namespace fairlead::pki
