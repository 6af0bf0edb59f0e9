#include "enrol/archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::enrol {
namespace {

using testing::HasSubstr;

ArchiveEntry entry(std::string path, std::string content, unsigned mode = 0600) {
  return {std::move(path), mode, Secret(std::move(content))};
}
std::string written(const std::vector<ArchiveEntry>& entries) { return write_archive(entries).value().reveal(); }

TEST(Archive, GivesBackWhatWasPutIn) {
  const std::string all_bytes = [] {
    std::string s;
    for (int i = 0; i < 1000; i++) s += static_cast<char>(i);
    return s;
  }();
  const std::string deep = "routes/" + std::string(100, 'r') + "/" + std::string(90, 'f');
  const std::string archive = written({entry("a", ""), entry("routes/b.yaml", all_bytes, 0644), entry(deep, std::string(512, 'x'))});
  EXPECT_EQ(archive.size() % 512, 0u);
  const auto read = read_archive(archive);
  ASSERT_TRUE(read) << read.error().describe();
  ASSERT_EQ(read->size(), 3u);
  EXPECT_EQ((*read)[0].content.reveal(), "");
  EXPECT_EQ((*read)[1].path, "routes/b.yaml");
  EXPECT_EQ((*read)[1].mode, 0644u);
  EXPECT_EQ((*read)[1].content.reveal(), all_bytes);
  EXPECT_EQ((*read)[2].path, deep);
}

TEST(Archive, NamesThatLeadElsewhereAreRefused) {
  for (const char* path : {"", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/"})
    EXPECT_FALSE(write_archive({entry(path, "x")})) << path;
  EXPECT_FALSE(write_archive({entry(std::string(101, 'n'), "x")}));
  EXPECT_TRUE(write_archive({entry(std::string(100, 'n'), "x")}));
}

TEST(Archive, EveryCutIsFound) {
  const std::string archive = written({entry("a", "one"), entry("b", "two")});
  for (std::size_t size = 0; size < archive.size(); size++) EXPECT_FALSE(read_archive(std::string_view(archive).substr(0, size))) << size;
}

TEST(Archive, EveryChangedByteIsFound) {
  const std::string archive = written({entry("a", "one")});
  ASSERT_TRUE(read_archive(archive));
  for (std::size_t i = 0; i < archive.size(); i++) {
    std::string changed = archive;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(read_archive(changed)) << i;
  }
}

TEST(Archive, WhatIsNoPlainFileIsRefused) {
  std::string archive = written({entry("a", "one")});
  archive[156] = '2';                                  // a symbolic link
  archive[153] = static_cast<char>(archive[153] + 2);  // its sum: the last digit
  const auto read = read_archive(archive);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message(), HasSubstr("plain files"));
}

}  // namespace
}  // namespace fairlead::enrol
