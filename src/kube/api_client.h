// api_client.h: requests to the API servers of one cluster, over HTTP/1.1 and TLS.
//
// Each request goes to the server that worked last, and on to the next when none takes the connection. Connections are kept for the next
// requests. Credentials are read again as Access says. A failure names the server, the request, what the server's Status says, and for
// 403 the rule that is missing. One loop.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "http/chunked.h"
#include "http/head_parser.h"
#include "kube/access.h"
#include "net/network.h"

namespace fairlead::kube {

// What is asked: of one resource, or of a list of them.
struct ApiRequest {
  std::string method = "GET";
  std::string path;          // "/api/v1/nodes", with query
  std::string verb;          // as RBAC calls it: "list"
  std::string group;         // "", "discovery.k8s.io"
  std::string resource;      // "nodes", "nodes/status"
  std::string name = {};     // of one
  std::string body = {};     // JSON
  std::string content = {};  // its type: "application/merge-patch+json"

  std::string what() const;  // "list nodes", "patch nodes/status edge-a"
};

class ApiClient;

// The answer to a request that was taken (2xx), as it comes. Destroying it before its end closes the connection.
class ApiAnswer {
 public:
  ~ApiAnswer();
  ApiAnswer(const ApiAnswer&) = delete;
  ApiAnswer& operator=(const ApiAnswer&) = delete;

  // What came, valid until the next call; empty: it is over. Code::timeout when nothing comes for `patience`, Code::reset when it broke off.
  Task<Result<std::string_view>> next(Duration patience);
  const std::string& server() const { return server_; }

 private:
  friend class ApiClient;
  ApiAnswer(ApiClient& client, std::unique_ptr<net::Stream> stream, std::string server);
  Task<Result<void>> read_head(std::string_view method);
  Task<Result<std::string_view>> read_piece();
  Task<Result<bool>> fill();  // false: the end of the connection
  void finish();

  ApiClient& client_;
  std::unique_ptr<net::Stream> stream_;
  std::string server_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // of what is in it
  http::ResponseParser parser_;
  unsigned status_ = 0;
  std::optional<Duration> retry_after_;
  bool keep_alive_ = false, chunked_ = false, until_close_ = false, over_ = false;
  std::uint64_t left_ = 0;
  http::ChunkDecoder chunks_;
};

class ApiClient {
 public:
  static constexpr Duration kConnectTimeout = 5s;  // of one server: TCP and TLS
  static constexpr Duration kAnswerTimeout = 30s;  // until the head, and between pieces, of an answer that is not watched
  static constexpr Duration kLongestPause = 60s;   // that a server may ask for
  static constexpr std::size_t kMaxBody = 4_MiB;   // of one object, or a Status
  static constexpr Duration kConnectionAge = 30s;  // a server may close an idle one after that; the API server's own time is longer
  static constexpr std::size_t kMaxIdle = 4;       // as many as are watched
  static constexpr Duration kReloadPause = 5s;     // credentials that were refused are not read again before

  ApiClient(net::Network& network, LoadAccess load);

  // 2xx, or an error: invalid (400, 422), unauthenticated (401, TLS), forbidden (403), not_found (404), exists (409), closed (410: what was
  // asked for is too old), overloaded (429), unreachable (no server, 5xx), timeout, reset.
  Task<Result<std::unique_ptr<ApiAnswer>>> open(ApiRequest request);
  // The same with the whole answer.
  Task<Result<std::string>> call(ApiRequest request);

  // The server that is asked first is not asked first any more: it answers, but badly.
  void prefer_another() { preferred_++; }
  Loop& loop() const { return network_.loop(); }

 private:
  friend class ApiAnswer;
  struct Connected {
    std::unique_ptr<net::Stream> stream;
    std::string server;
    bool used_before = false;
  };
  struct Idle {
    std::unique_ptr<net::Stream> stream;
    std::string server;
    TimePoint since{};
  };
  void keep(std::unique_ptr<net::Stream> stream, const std::string& server);
  Result<void> refresh();
  std::optional<Connected> take_idle();
  Task<Result<Connected>> connect();
  Task<Result<std::unique_ptr<net::Stream>>> connect_to(net::HostPort server);
  Task<Result<std::unique_ptr<ApiAnswer>>> attempt(const ApiRequest& request, bool& stale);
  Task<Result<std::unique_ptr<ApiAnswer>>> ask(std::unique_ptr<ApiAnswer> answer, const ApiRequest& request);
  Task<Result<std::string>> read_all(ApiAnswer& answer);
  void distrust_access();

  net::Network& network_;
  LoadAccess load_;
  std::shared_ptr<const Access> access_;  // shared: requests that are under way keep theirs
  TimePoint loaded_{};
  bool distrusted_ = false;
  std::size_t preferred_ = 0;
  TimePoint not_before_{};  // a server asked for a pause
  std::vector<Idle> idle_;
};

}  // namespace fairlead::kube
