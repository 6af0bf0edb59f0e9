// payload.h: the grammar of an HTTP flow's payload, `Head(1xx)* Head Data* Trailers? End`, over a link::Flow. Both halves of the
// plug-in read and write with it. The request's own head travels in FlowOpen, so the opener's half is `Data* Trailers? End`.
//
// A record is a type (one byte), a length (QUIC varint) and that many bytes:
//   HEAD 1      HttpResponse, at most 64 KiB
//   DATA 2      content; of any length: a body whose length is known is one record. Of length 0: padding, nothing
//   TRAILERS 3  HttpTrailers, at most 64 KiB
//   END 4       length 0; nothing but the end of the half follows
// After a HEAD of 101 both halves are raw bytes until their ends, and so is the opener's half from its END on.
// Invariant: a half that ends without END (or, raw, by a reset) is a message that broke off, and is never shown as whole.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "link/flow.h"
#include "wire/http_message.h"

namespace fairlead::http_plugin {

inline constexpr std::string_view kPlugin = "http";
inline constexpr std::size_t kMaxRecord = 64_KiB;  // of HEAD and TRAILERS

enum class RecordType : std::uint8_t { head = 1, data = 2, trailers = 3, end = 4 };

// Writes one half. Small records of one turn leave in one packet, since the link sends at the end of the turn.
class RecordWriter {
 public:
  explicit RecordWriter(link::Flow& flow) : flow_(flow) {}

  Task<Result<void>> head(const http::Response& response);
  // Room for content, straight in the flow's send buffer; then commit what was put there (0 gives it back). Each commit is, or goes
  // on with, a DATA record.
  Task<Result<MutableBytes>> prepare();
  void commit(std::size_t n);
  // Content that lies in a buffer already: copied.
  Task<Result<void>> data(Bytes bytes);
  // The length of the content that follows, if known before its first byte: it then is one record. More or less than that is a
  // broken invariant.
  void expect(std::uint64_t size) { left_ = size; }
  // Trailers, if any, END, and the end of the half. `raw` (after an upgrade): only the end.
  Task<Result<void>> finish(const http::Fields& trailers);
  Task<Result<void>> end_record();  // END without the end of the half: an upgraded request goes on as raw bytes

 private:
  Task<Result<void>> open_record();

  link::Flow& flow_;
  std::optional<std::uint64_t> left_;  // of the one record that the content is, if its length is known
  bool opened_ = false;                // its header is written
  MutableBytes room_;                  // as the flow gave it: with room for a header in front if the length is not known
};

// Reads one half. Cancelling next() loses nothing.
class RecordReader {
 public:
  explicit RecordReader(link::Flow& flow) : flow_(flow) {}

  struct Event {
    RecordType type;
    Bytes data;  // of DATA: at least one byte, in place; consume() it before the next call
  };
  // The next event. HEAD and TRAILERS are decoded into response() and trailers(). After END: the half is over when the flow's is.
  // Code::invalid when the grammar is broken (the flow is to be aborted with PROTOCOL); the flow's errors otherwise, and
  // Code::reset when it ends without END.
  Task<Result<Event>> next();
  void consume(std::size_t n);
  const http::Response& response() const { return response_.response; }
  const http::Fields& trailers() const { return trailers_.fields; }

 private:
  struct Header {
    RecordType type;
    std::uint64_t size;
  };
  Task<Result<Header>> read_header();
  Task<Result<void>> read_message();

  link::Flow& flow_;
  std::uint64_t left_ = 0;  // of the DATA record at the front
  bool ended_ = false, trailers_seen_ = false, content_seen_ = false;
  // What came in pieces: of a header, then of a message. Kept here, so that a call of next() that was cancelled is made again.
  std::array<std::byte, 1 + wire::kMaxLength> header_bytes_;
  std::size_t header_have_ = 0;
  std::optional<Header> message_;
  std::vector<std::byte> gathered_;
  wire::DecodedHttpResponse response_;
  wire::DecodedHttpTrailers trailers_;
};

}  // namespace fairlead::http_plugin
