#include "route/ca_files.h"

#include <filesystem>

#include "pki/certificate.h"

namespace fairlead::route {
namespace {

Result<FileText> read_ca(const std::string& path) {
  TRY_ASSIGN(FileText file, read_file(path));
  if (file.text.size() > kMaxCaFile) return fail(Code::too_large, "more than {} bytes", kMaxCaFile);
  return file;
}

// By itself, a name of a file is meant as the manifest's folder has it.
std::string path_of(const Backend& backend) {
  return (std::filesystem::path(*backend.meta.source.file).parent_path() / backend.tls->ca_file).lexically_normal();
}

// As PEM again, without what people write around certificates.
Result<std::string> certificates_in(const Result<FileText>& file, const std::string& path) {
  if (!file) return fail(Error::wrap(path, file.error()));
  TRY_ASSIGN(const std::vector<pki::Certificate> bundle, pki::Certificate::bundle_from_pem(file->text, path));
  std::string pem;
  for (const pki::Certificate& certificate : bundle) pem += certificate.to_pem();
  if (pem.size() > kMaxCaPem)
    return fail(Code::too_large, "{} has certificates of {} bytes, and {} are allowed: name the CA of this service only", path, pem.size(),
                kMaxCaPem);
  return pem;
}

}  // namespace

void CaFiles::load(Manifests& manifests, std::vector<Problem>& problems) {
  files_.clear();
  std::map<std::string, Result<std::string>> read;  // many Backends, few files
  for (Backend& backend : manifests.backends) {
    if (!backend.tls || backend.tls->ca_file.empty()) continue;
    std::string path = path_of(backend);
    auto known = read.find(path);
    if (known == read.end()) {
      Result<FileText> file = read_ca(path);
      files_[path] = {.stamp = file ? file->stamp : stamp_of(path).value_or(FileStamp()),
                      .young = file && is_young(file->stamp),
                      .text = file ? file->text : ""};
      known = read.emplace(path, certificates_in(file, path)).first;
    }
    if (known->second)
      backend.tls->ca_pem = *known->second;
    else
      problems.push_back(
          {Severity::error, *backend.meta.source.file, backend.meta.source.at, "spec.tls.caFile", known->second.error().describe()});
  }
}

bool CaFiles::changed() {
  for (auto& [path, file] : files_) {
    if (stamp_of(path).value_or(FileStamp()) != file.stamp) return true;
    if (!file.young) continue;
    const Result<FileText> now = read_ca(path);
    if (!now || now->stamp != file.stamp || now->text != file.text) return true;
    file.young = is_young(file.stamp);
  }
  return false;
}

}  // namespace fairlead::route
