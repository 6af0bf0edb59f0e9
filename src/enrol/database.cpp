#include "enrol/database.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"

namespace fairlead::enrol {
namespace {

Code code_of(int rc) {
  switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Code::overloaded;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Code::invalid;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_FULL:
    case SQLITE_IOERR: return Code::io;
    default: return Code::internal;
  }
}

std::unexpected<Error> failure(sqlite3* db, int rc) {
  const char* file = db != nullptr ? sqlite3_db_filename(db, "main") : nullptr;
  const char* what = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
  return fail(code_of(rc), "{}: {}", file != nullptr ? file : "the cloud's state", what);
}

constexpr std::int64_t to_ms(WallTime at) { return std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count(); }

}  // namespace

Result<bool> Statement::step() {
  const int rc = sqlite3_step(get());
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) return false;
  return failure(sqlite3_db_handle(get()), rc);
}

Result<void> Statement::run() {
  for (;;) {
    TRY_ASSIGN(const bool row, step());
    if (!row) return {};
  }
}

std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(get(), column));
  return text == nullptr ? std::string() : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(get(), column)));
}

Bytes Statement::blob(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(get(), column));
  return data == nullptr ? Bytes() : from_u8(data, static_cast<std::size_t>(sqlite3_column_bytes(get(), column)));
}

WallTime Statement::time(int column) const { return WallTime(std::chrono::milliseconds(integer(column))); }
std::optional<WallTime> Statement::maybe_time(int column) const { return null(column) ? std::nullopt : std::optional(time(column)); }
void Statement::bind(int at, WallTime value) { bind(at, to_ms(value)); }

Result<Database> Database::open(const std::filesystem::path& file, Duration busy) {
  // SQLite would make it with the umask's mode; its companions (-wal, -shm) take the mode of the file.
  // One that is there is not touched: closing it would give up the locks of this process's other connections (POSIX.1-2017, fcntl).
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 && errno != EEXIST) return fail(Error::from_errno(errno, "open " + file.native()));
  if (fd >= 0) ::close(fd);
  sqlite3* raw = nullptr;
  const int rc = sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database db(raw, file.native());
  if (rc != SQLITE_OK) return failure(raw, rc);
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, static_cast<int>(busy / 1ms));
  TRY(db.script("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"));
  return db;
}

Result<Statement> Database::compile(const char* sql) {
  sqlite3_stmt* raw = nullptr;
  const int rc = sqlite3_prepare_v2(db_.get(), sql, -1, &raw, nullptr);
  if (rc != SQLITE_OK) return failure(db_.get(), rc);
  return Statement(raw);
}

Result<void> Database::script(const char* sql) {
  const int rc = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) return failure(db_.get(), rc);
  return {};
}

Result<Transaction> Transaction::begin(Database& db) {
  TRY(db.script("BEGIN IMMEDIATE"));
  return Transaction(db);
}

Transaction::~Transaction() {
  if (db_ == nullptr || !db_->in_transaction()) return;  // a failed COMMIT may have undone it already
  if (auto undone = db_->script("ROLLBACK"); !undone)
    log::error("enrol", "a change is not undone until the next start: {}", undone.error());
}

Result<void> Transaction::commit() {
  TRY(db_->script("COMMIT"));
  db_ = nullptr;
  return {};
}

}  // namespace fairlead::enrol
