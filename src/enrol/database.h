// database.h: SQLite with values that free themselves and failures that are Results. Only .cpp files of this layer include it.
//
//   TRY_ASSIGN(Statement s, db.prepare("SELECT uses FROM tokens WHERE id = ?", id));
//   TRY_ASSIGN(bool row, s.step());
//   if (row) use(s.integer(0));
#pragma once
#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"

namespace fairlead::enrol {

class Statement {
 public:
  // True: there is a row to read. False: done.
  Result<bool> step();
  // For a statement without rows.
  Result<void> run();

  bool null(int column) const { return sqlite3_column_type(get(), column) == SQLITE_NULL; }
  std::int64_t integer(int column) const { return sqlite3_column_int64(get(), column); }
  std::string text(int column) const;
  Bytes blob(int column) const;  // until the next step
  WallTime time(int column) const;
  std::optional<WallTime> maybe_time(int column) const;

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* s) : statement_(s, &sqlite3_finalize) {}
  sqlite3_stmt* get() const { return statement_.get(); }
  void bind(int at, std::int64_t value) { sqlite3_bind_int64(get(), at, value); }
  void bind(int at, std::string_view value) {
    sqlite3_bind_text(get(), at, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
  }
  void bind(int at, Bytes value) { sqlite3_bind_blob(get(), at, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT); }
  void bind(int at, std::nullopt_t) { sqlite3_bind_null(get(), at); }
  void bind(int at, WallTime value);
  template <class T>
  void bind(int at, const std::optional<T>& value) {
    if (value)
      bind(at, *value);
    else
      bind(at, std::nullopt);
  }

  std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement_;
};

class Database {
 public:
  // Makes the file with mode 0600 if it is not there; WAL, synchronous=FULL.
  static Result<Database> open(const std::filesystem::path& file, Duration busy);

  template <class... Args>
  Result<Statement> prepare(const char* sql, const Args&... args) {
    TRY_ASSIGN(Statement s, compile(sql));
    int at = 0;
    (s.bind(++at, args), ...);
    return s;
  }
  template <class... Args>
  Result<void> run(const char* sql, const Args&... args) {
    TRY_ASSIGN(Statement s, prepare(sql, args...));
    return s.run();
  }
  Result<void> script(const char* sql);  // several statements
  std::int64_t changed() const { return sqlite3_changes64(db_.get()); }
  bool in_transaction() const { return sqlite3_get_autocommit(db_.get()) == 0; }
  std::int64_t last_row() const { return sqlite3_last_insert_rowid(db_.get()); }
  const std::string& file() const { return file_; }

 private:
  Database(sqlite3* db, std::string file) : db_(db, &sqlite3_close_v2), file_(std::move(file)) {}
  Result<Statement> compile(const char* sql);
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> db_;
  std::string file_;
};

// Takes the right to write at once, so that what was read stays true until commit(). Without commit nothing has happened.
class Transaction {
 public:
  static Result<Transaction> begin(Database& db);
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<void> commit();

 private:
  explicit Transaction(Database& db) : db_(&db) {}
  Database* db_;
};

}  // namespace fairlead::enrol
