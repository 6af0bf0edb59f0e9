#include "enrol/registry.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "enrol/registry_impl.h"

namespace fairlead::enrol {
namespace {

// Steps from each version of the file to the next; what stands here has been on disks and is never changed. Times are Unix milliseconds.
constexpr const char* kSchema[] = {
    R"(CREATE TABLE tokens(
         id TEXT NOT NULL PRIMARY KEY, hash BLOB NOT NULL, node TEXT, uses INTEGER NOT NULL,
         uses_left INTEGER NOT NULL CHECK(uses_left BETWEEN 0 AND uses),
         created INTEGER NOT NULL, expires INTEGER NOT NULL, revoked INTEGER, created_by TEXT NOT NULL) STRICT;
       CREATE TABLE nodes(
         name TEXT NOT NULL PRIMARY KEY, key BLOB, serial TEXT, not_after INTEGER NOT NULL,
         first_join INTEGER NOT NULL, last_issue INTEGER NOT NULL, forgotten INTEGER, revoked INTEGER) STRICT;
       CREATE TABLE labels(
         node TEXT NOT NULL REFERENCES nodes(name) ON DELETE CASCADE, key TEXT NOT NULL, value TEXT NOT NULL,
         PRIMARY KEY(node, key)) STRICT;
       CREATE TABLE joins(
         token TEXT NOT NULL REFERENCES tokens(id) ON DELETE CASCADE, key BLOB NOT NULL, node TEXT NOT NULL, at INTEGER NOT NULL,
         PRIMARY KEY(token, key)) STRICT;
       CREATE TABLE audit(
         id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, origin TEXT NOT NULL, what TEXT NOT NULL,
         subject TEXT NOT NULL, detail TEXT NOT NULL, refusal INTEGER NOT NULL) STRICT;
       CREATE INDEX audit_refusal ON audit(refusal, id);)",
    "ALTER TABLE nodes ADD COLUMN trust BLOB;",
    "CREATE TABLE authorities(key BLOB NOT NULL PRIMARY KEY) STRICT;",
    R"(ALTER TABLE nodes ADD COLUMN late_until INTEGER;
       CREATE INDEX nodes_late ON nodes(late_until) WHERE late_until IS NOT NULL;)",
};
constexpr std::int64_t kVersion = std::size(kSchema);

Result<std::int64_t> version_of(Database& db) {
  TRY_ASSIGN(Statement s, db.prepare("PRAGMA user_version"));
  TRY_ASSIGN(const bool row, s.step());
  return row ? s.integer(0) : 0;
}

Result<void> upgrade(Database& db) {
  TRY_ASSIGN(std::int64_t version, version_of(db));
  if (version < kVersion) {
    TRY_ASSIGN(Transaction t, Transaction::begin(db));
    TRY_ASSIGN(version, version_of(db));  // another may have been faster
    for (; version < kVersion; version++) TRY(db.script(kSchema[version]));
    if (version == kVersion) TRY(db.script(fmt::format("PRAGMA user_version = {}", kVersion).c_str()));
    TRY(t.commit());
  }
  if (version > kVersion)
    return fail(Code::unsupported, "{} was written by a later version of Fairlead: run that one, or restore a backup", db.file());
  return {};
}

Result<void> sync_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(Error::from_errno(errno, "open " + path.native()));
  const int rc = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  if (rc != 0) return fail(Error::from_errno(error, "write " + path.native()));
  return {};
}

std::string cut(std::string text) {
  std::size_t size = std::min(text.size(), AuditLine::kMaxField);
  while (size > 0 && size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) size--;  // no character is cut in two
  text.resize(size);
  return text;
}

}  // namespace

Registry::Registry(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Registry::Registry(Registry&&) noexcept = default;
Registry& Registry::operator=(Registry&&) noexcept = default;
Registry::~Registry() = default;

Result<Registry> Registry::open(const std::filesystem::path& dir) {
  TRY_ASSIGN(Database db, Database::open(dir / kStateFile, kBusy));
  TRY(upgrade(db));
  return Registry(std::make_unique<Impl>(Impl{std::move(db)}));
}

Result<void> Registry::Impl::write_line(const AuditLine& line) {
  const bool refusal = std::string_view(line.what).ends_with(".refused");
  TRY(db.run("INSERT INTO audit(at, who, origin, what, subject, detail, refusal) VALUES(?, ?, ?, ?, ?, ?, ?)", line.at, cut(line.who),
             cut(line.from), cut(line.what), cut(line.subject), cut(line.detail), std::int64_t{refusal}));
  if (db.last_row() % static_cast<std::int64_t>(kPruneEvery) != 0) return {};
  for (const std::int64_t kind : {0, 1})
    TRY(db.run(
        "DELETE FROM audit WHERE refusal = ?1 AND id <= (SELECT id FROM audit WHERE refusal = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)", kind,
        static_cast<std::int64_t>(kind == 0 ? kAuditLines : kRefusalLines)));
  return {};
}

Result<void> Registry::Impl::write_line(const Actor& by, WallTime now, std::string what, std::string subject, std::string detail) {
  return write_line(
      {.at = now, .who = by.who, .from = by.from, .what = std::move(what), .subject = std::move(subject), .detail = std::move(detail)});
}

Result<void> Registry::note(std::span<const AuditLine> lines) {
  TRY_ASSIGN(Transaction t, Transaction::begin(impl_->db));
  for (const AuditLine& line : lines) TRY(impl_->write_line(line));
  return t.commit();
}

Result<std::vector<AuditLine>> Registry::audit(std::size_t last) {
  TRY_ASSIGN(Statement s, impl_->db.prepare("SELECT at, who, origin, what, subject, detail FROM "
                                            "(SELECT * FROM audit ORDER BY id DESC LIMIT ?) ORDER BY id",
                                            static_cast<std::int64_t>(last)));
  std::vector<AuditLine> lines;
  for (;;) {
    TRY_ASSIGN(const bool row, s.step());
    if (!row) return lines;
    lines.push_back({.at = s.time(0), .who = s.text(1), .from = s.text(2), .what = s.text(3), .subject = s.text(4), .detail = s.text(5)});
  }
}

Result<void> Registry::agree_on_authorities(const std::vector<pki::Fingerprint>& authorities) {
  TRY_ASSIGN(Transaction t, Transaction::begin(impl_->db));
  TRY_ASSIGN(Statement s, impl_->db.prepare("SELECT key FROM authorities"));
  std::size_t known = 0, common = 0;
  for (;;) {
    TRY_ASSIGN(const bool row, s.step());
    if (!row) break;
    known++;
    for (const pki::Fingerprint& one : authorities) common += std::ranges::equal(s.blob(0), one.bytes()) ? 1 : 0;
  }
  if (known > 0 && common == 0)
    return fail(Code::invalid,
                "{} is of another CA than ca.pem beside it: files of two clouds are mixed. Put the right ca.pem and ca-key.pem back, or "
                "`fairlead restore` a backup",
                impl_->db.file());
  if (known == authorities.size() && common == known) return {};
  TRY(impl_->db.run("DELETE FROM authorities"));
  for (const pki::Fingerprint& one : authorities) TRY(impl_->db.run("INSERT INTO authorities(key) VALUES(?)", Bytes(one.bytes())));
  return t.commit();
}

Result<void> Registry::copy_to(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);  // VACUUM INTO takes an empty file
  if (fd < 0) return fail(Error::from_errno(errno, "make " + file.native()));
  ::close(fd);
  TRY(impl_->db.run("VACUUM INTO ?", std::string_view(file.native())));
  return sync_file(file);
}

}  // namespace fairlead::enrol
