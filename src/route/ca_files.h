// ca_files.h: the files of trusted CAs that Backends name, read when the rules are. They travel with each request, so they are small.
//
// Synchronous: never called on a loop.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "route/manifest_file.h"
#include "route/manifests.h"
#include "route/problem.h"

namespace fairlead::route {

// Of a file, with what people write around the certificates.
inline constexpr std::size_t kMaxCaFile = 64_KiB;
// Of its certificates: they share a flow's head (60 KiB) with the request.
inline constexpr std::size_t kMaxCaPem = 16_KiB;

class CaFiles {
 public:
  // Fills in Backend::tls::ca_pem. A file that cannot be used is a problem at the Backend that names it.
  void load(Manifests& manifests, std::vector<Problem>& problems);
  // Whether a file that the last load() read, or could not read, is another now.
  bool changed();

 private:
  struct File {
    FileStamp stamp;
    bool young = false;
    std::string text;
  };
  std::map<std::string, File> files_;  // by path
};

}  // namespace fairlead::route
