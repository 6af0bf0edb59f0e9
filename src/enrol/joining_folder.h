// joining_folder.h: an edge's folder while it joins: `.NAME.joining` beside the folder to be.
//
// Invariant: the key is on disk before it is sent anywhere, and whoever is killed and started again goes on with the same one, so that a
// token that was spent for it is not lost. `dir` itself comes complete or not at all. Blocking.
#pragma once
#include <filesystem>

#include "enrol/join_client.h"
#include "pki/files.h"
#include "pki/folder.h"

namespace fairlead::enrol {

class JoiningFolder {
 public:
  // Refuses a `dir` that exists and is not empty. Waits for another process that joins into the same folder.
  static Result<JoiningFolder> open(const std::filesystem::path& dir);

  const pki::PrivateKey& key() const { return key_; }
  Result<void> complete(const Joined& joined, pki::AlsoWrite also = pki::nothing_else);

 private:
  JoiningFolder(std::filesystem::path target, std::filesystem::path staging, pki::FolderLock lock, pki::PrivateKey key)
      : target_(std::move(target)), staging_(std::move(staging)), lock_(std::move(lock)), key_(std::move(key)) {}
  std::filesystem::path target_, staging_;
  pki::FolderLock lock_;
  pki::PrivateKey key_;
};

}  // namespace fairlead::enrol
