#include "plugins/http/payload.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <string>

#include "wire/frame.h"

namespace fairlead::http_plugin {
namespace {

// A type and a length of four bytes (below 2^30), so that content can be read straight behind it into the room of a send buffer.
constexpr std::size_t kDataHeader = 1 + 4;
constexpr std::byte kPadding[] = {static_cast<std::byte>(RecordType::data), std::byte{0}};
constexpr std::byte kEndRecord[] = {static_cast<std::byte>(RecordType::end), std::byte{0}};

void put_data_header(MutableBytes into, std::size_t size) {
  into[0] = static_cast<std::byte>(RecordType::data);
  into[1] = static_cast<std::byte>(0x80 | size >> 24);
  into[2] = static_cast<std::byte>(size >> 16 & 0xff);
  into[3] = static_cast<std::byte>(size >> 8 & 0xff);
  into[4] = static_cast<std::byte>(size & 0xff);
}

void append_record(std::string& out, RecordType type, std::string_view body) {
  std::array<std::byte, wire::kMaxLength> length;
  const std::size_t n = wire::put_varint(length, body.size());
  out += static_cast<char>(type);
  out.append(reinterpret_cast<const char*>(length.data()), n);
  out += body;
}

}  // namespace

Task<Result<void>> RecordWriter::head(const http::Response& response) {
  std::string body;
  if (!wire::encode_http_response(body, response, kMaxRecord)) co_return fail(Code::too_large, "the answer's head is too large for the link");
  std::string bytes;
  append_record(bytes, RecordType::head, body);
  auto writing = flow_.write(as_bytes(bytes));
  co_return co_await writing;
}

// The header of the one record that content of a known length is.
Task<Result<void>> RecordWriter::open_record() {
  opened_ = true;
  std::array<std::byte, 1 + wire::kMaxLength> header;
  std::array<std::byte, wire::kMaxLength> length;
  const std::size_t n = wire::put_varint(length, *left_);
  header[0] = static_cast<std::byte>(RecordType::data);
  std::copy_n(length.begin(), n, header.begin() + 1);
  auto writing = flow_.write(Bytes(header).first(1 + n));
  co_return co_await writing;
}

Task<Result<MutableBytes>> RecordWriter::prepare() {
  if (left_) {
    if (!opened_) {
      auto opening = open_record();
      auto opening_done = co_await opening;
  CO_TRY(opening_done);
    }
    auto room = co_await flow_.prepare();
    if (!room) co_return std::unexpected(room.error());
    room_ = room->first(static_cast<std::size_t>(std::min<std::uint64_t>(room->size(), *left_)));
    co_return room_;
  }
  for (;;) {
    auto room = co_await flow_.prepare();
    if (!room) co_return std::unexpected(room.error());
    room_ = *room;
    if (room_.size() > kDataHeader) co_return room_.subspan(kDataHeader);
    // The last bytes of a chunk: padding brings the next one.
    flow_.commit(0);
    auto padding = flow_.write(kPadding);
    auto padding_done = co_await padding;
  CO_TRY(padding_done);
  }
}

void RecordWriter::commit(std::size_t n) {
  if (left_) {
    assert(n <= *left_);
    *left_ -= n;
    flow_.commit(n);
  } else if (n == 0) {
    flow_.commit(0);
  } else {
    put_data_header(room_, n);
    flow_.commit(kDataHeader + n);
  }
  room_ = {};
}

Task<Result<void>> RecordWriter::data(Bytes bytes) {
  while (!bytes.empty()) {
    auto room = co_await prepare();
    if (!room) co_return std::unexpected(room.error());
    const std::size_t n = std::min(room->size(), bytes.size());
    if (n == 0) {
      commit(0);
      co_return fail(Code::internal, "more content than its length");
    }
    std::memcpy(room->data(), bytes.data(), n);
    commit(n);
    bytes = bytes.subspan(n);
  }
  co_return Result<void>();
}

Task<Result<void>> RecordWriter::end_record() {
  auto writing = flow_.write(kEndRecord);
  co_return co_await writing;
}

Task<Result<void>> RecordWriter::finish(const http::Fields& trailers) {
  std::string bytes;
  if (!trailers.empty()) {
    std::string body;
    if (!wire::encode_http_trailers(body, trailers, kMaxRecord)) co_return fail(Code::too_large, "the trailers are too large for the link");
    append_record(bytes, RecordType::trailers, body);
  }
  bytes.append(reinterpret_cast<const char*>(kEndRecord), sizeof kEndRecord);
  auto writing = flow_.write(as_bytes(bytes));
  auto writing_done = co_await writing;
  CO_TRY(writing_done);
  co_return flow_.shut();
}

namespace {

std::unexpected<Error> broken(std::string_view what) { return fail(Code::invalid, "HTTP flow: {}", what); }

}  // namespace

// The type and length at the front, consumed. They may come in pieces.
Task<Result<RecordReader::Header>> RecordReader::read_header() {
  std::array<std::byte, 1 + wire::kMaxLength> gathered;
  std::size_t have = 0;
  for (;;) {
    auto more = co_await flow_.peek();
    if (!more) co_return std::unexpected(more.error());
    if (more->empty()) {
      if (have == 0 && ended_) co_return Header{RecordType::end, 0};
      co_return fail(Code::reset, "the HTTP message ended without its end");
    }
    if (ended_) co_return broken("something follows the end");
    const std::size_t n = std::min(gathered.size() - have, more->size());
    std::copy_n(more->begin(), n, gathered.begin() + static_cast<std::ptrdiff_t>(have));
    const std::optional<wire::Varint> length = wire::get_varint(Bytes(gathered).subspan(1, have + n - 1));
    if (!length) {
      flow_.consume(n);
      have += n;
      continue;
    }
    flow_.consume(1 + length->size - have);
    const auto type = static_cast<std::uint8_t>(gathered[0]);
    if (type < static_cast<std::uint8_t>(RecordType::head) || type > static_cast<std::uint8_t>(RecordType::end))
      co_return broken("a record of a type that is not known");
    co_return Header{static_cast<RecordType>(type), length->value};
  }
}

// The body of a HEAD or TRAILERS record, in place if it is whole, else gathered.
Task<Result<void>> RecordReader::read_message(Header header) {
  if (header.size > kMaxRecord) co_return broken("a head that is too large");
  const std::size_t size = static_cast<std::size_t>(header.size);
  std::vector<std::byte> gathered;
  Bytes body;
  std::size_t to_consume = 0;
  while (size > 0) {
    auto more = co_await flow_.peek();
    if (!more) co_return std::unexpected(more.error());
    if (more->empty()) co_return fail(Code::reset, "the HTTP message ended inside a head");
    const std::size_t n = std::min(size - gathered.size(), more->size());
    if (n == size) {
      body = more->first(n);
      to_consume = n;
      break;
    }
    gathered.insert(gathered.end(), more->begin(), more->begin() + static_cast<std::ptrdiff_t>(n));
    flow_.consume(n);
    if (gathered.size() < size) continue;
    body = gathered;
    break;
  }
  auto decoded = header.type == RecordType::head ? response_.decode(body) : trailers_.decode(body);
  if (to_consume > 0) flow_.consume(to_consume);
  co_return decoded;
}

Task<Result<RecordReader::Event>> RecordReader::next() {
  while (left_ == 0) {
    auto header = co_await read_header();
    if (!header) co_return std::unexpected(header.error());
    switch (header->type) {
      case RecordType::data:
        if (trailers_seen_) co_return broken("content after trailers");
        left_ = header->size;
        break;
      case RecordType::end:
        if (header->size != 0) co_return broken("an end with something in it");
        ended_ = true;
        co_return Event{RecordType::end, {}};
      case RecordType::trailers:
        if (std::exchange(trailers_seen_, true)) co_return broken("trailers twice");
        [[fallthrough]];
      case RecordType::head: {
        auto reading = read_message(*header);
        auto read = co_await reading;
        if (!read) co_return std::unexpected(read.error());
        co_return Event{header->type, {}};
      }
    }
  }
  auto bytes = co_await flow_.peek();
  if (!bytes) co_return std::unexpected(bytes.error());
  if (bytes->empty()) co_return fail(Code::reset, "the HTTP message ended inside its content");
  co_return Event{RecordType::data, bytes->first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes->size(), left_)))};
}

void RecordReader::consume(std::size_t n) {
  flow_.consume(n);
  left_ -= n;
}

}  // namespace fairlead::http_plugin
