// answer.h: one answer on its way to the client: heads and content become bytes, collected into few writes.
//
// Invariant: what is not whole never looks whole: end() is the only thing that ends a body, and whoever does not get there resets.
#pragma once
#include <cstdint>

#include "http/encode.h"
#include "plugins/http/client.h"

namespace fairlead::http_plugin {

class Answer {
 public:
  // Of a request of HTTP/1.`minor`.
  Answer(Client& client, unsigned minor) : client_(client), minor_(minor) {}

  // 1xx. Not for HTTP/1.0, whose clients do not know them.
  void interim(const http::Response& response);
  // The final head. `keep_alive`: as far as the caller knows; see keep_alive().
  void begin(const http::Response& response, bool keep_alive, const http::Fields& extra);
  // 101: nothing is framed from here on.
  void begin_upgrade(const http::Response& response);
  // Code::invalid: more than the head had said.
  Task<Result<void>> content(Bytes bytes);
  // All is written when this returns. Code::invalid: less than the head had said.
  Task<Result<void>> end(const http::Fields& trailers);

  bool begun() const { return status_ != 0; }
  bool whole() const { return whole_; }
  bool keep_alive() const { return keep_alive_; }
  unsigned status() const { return status_; }
  std::uint64_t size() const { return size_; }  // of content

 private:
  Client& client_;
  unsigned minor_;
  unsigned status_ = 0;
  http::BodyLength body_;
  bool chunked_ = false;
  bool keep_alive_ = false;
  bool whole_ = false;
  std::uint64_t size_ = 0;
};

}  // namespace fairlead::http_plugin
