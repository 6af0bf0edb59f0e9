#include "plugins/http/payload.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <string>

#include "wire/frame.h"

namespace fairlead::http_plugin {
namespace {

// A type and a length of four bytes (below 2^30), so that it can be written once what follows it is there.
constexpr std::size_t kFixedHeader = 1 + 4;
constexpr std::byte kPadding[] = {static_cast<std::byte>(RecordType::data), std::byte{0}};
constexpr std::byte kEndRecord[] = {static_cast<std::byte>(RecordType::end), std::byte{0}};

void put_fixed_header(MutableBytes into, RecordType type, std::size_t size) {
  into[0] = static_cast<std::byte>(type);
  into[1] = static_cast<std::byte>(0x80 | size >> 24);
  into[2] = static_cast<std::byte>(size >> 16 & 0xff);
  into[3] = static_cast<std::byte>(size >> 8 & 0xff);
  into[4] = static_cast<std::byte>(size & 0xff);
}

MutableBytes mutable_bytes(std::string& text) { return std::as_writable_bytes(std::span(text)); }

}  // namespace

Task<Result<void>> RecordWriter::head(const http::Response& response) {
  std::string bytes(kFixedHeader, '\0');
  if (!wire::encode_http_response(bytes, response, kMaxRecord))
    co_return fail(Code::too_large, "the answer's head is too large for the link");
  put_fixed_header(mutable_bytes(bytes), RecordType::head, bytes.size() - kFixedHeader);
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
      auto opened = co_await opening;
      CO_TRY(opened);
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
    if (room_.size() > kFixedHeader) co_return room_.subspan(kFixedHeader);
    // The last bytes of a chunk: padding brings the next one.
    flow_.commit(0);
    auto padding = flow_.write(kPadding);
    auto padded = co_await padding;
    CO_TRY(padded);
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
    put_fixed_header(room_, RecordType::data, n);
    flow_.commit(kFixedHeader + n);
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
  if (!trailers.empty()) {
    std::string bytes(kFixedHeader, '\0');
    if (!wire::encode_http_trailers(bytes, trailers, kMaxRecord))
      co_return fail(Code::too_large, "the trailers are too large for the link");
    put_fixed_header(mutable_bytes(bytes), RecordType::trailers, bytes.size() - kFixedHeader);
    auto writing = flow_.write(as_bytes(bytes));
    auto written = co_await writing;
    CO_TRY(written);
  }
  auto ending = end_record();
  auto ended = co_await ending;
  CO_TRY(ended);
  co_return flow_.shut();
}

namespace {

std::unexpected<Error> broken(std::string_view what) { return fail(Code::invalid, "HTTP flow: {}", what); }

}  // namespace

// The type and length at the front, consumed. They may come in pieces.
Task<Result<RecordReader::Header>> RecordReader::read_header() {
  for (;;) {
    auto more = co_await flow_.peek();
    if (!more) co_return std::unexpected(more.error());
    if (more->empty()) {
      if (header_have_ == 0 && ended_) co_return Header{RecordType::end, 0};
      co_return fail(Code::reset, "the HTTP message ended without its end");
    }
    if (ended_) co_return broken("something follows the end");
    const std::size_t n = std::min(header_bytes_.size() - header_have_, more->size());
    std::copy_n(more->begin(), n, header_bytes_.begin() + static_cast<std::ptrdiff_t>(header_have_));
    const std::optional<wire::Varint> length = wire::get_varint(Bytes(header_bytes_).subspan(1, header_have_ + n - 1));
    if (!length) {
      flow_.consume(n);
      header_have_ += n;
      continue;
    }
    flow_.consume(1 + length->size - std::exchange(header_have_, 0));
    const auto type = static_cast<std::uint8_t>(header_bytes_[0]);
    if (type < static_cast<std::uint8_t>(RecordType::head) || type > static_cast<std::uint8_t>(RecordType::end))
      co_return broken("a record of a type that is not known");
    co_return Header{static_cast<RecordType>(type), length->value};
  }
}

// The body of a HEAD or TRAILERS record, in place if it is whole, else gathered.
Task<Result<void>> RecordReader::read_message() {
  const bool is_head = message_->type == RecordType::head;
  const std::size_t size = static_cast<std::size_t>(message_->size);
  while (gathered_.size() < size) {
    auto more = co_await flow_.peek();
    if (!more) co_return std::unexpected(more.error());
    if (more->empty()) co_return fail(Code::reset, "the HTTP message ended inside a head");
    const Bytes part = more->first(std::min(size - gathered_.size(), more->size()));
    if (part.size() == size) {
      auto decoded = is_head ? response_.decode(part) : trailers_.decode(part);
      flow_.consume(size);
      message_.reset();
      co_return decoded;
    }
    gathered_.insert(gathered_.end(), part.begin(), part.end());
    flow_.consume(part.size());
  }
  auto decoded = is_head ? response_.decode(gathered_) : trailers_.decode(gathered_);
  gathered_ = {};
  message_.reset();
  co_return decoded;
}

Task<Result<RecordReader::Event>> RecordReader::next() {
  while (left_ == 0) {
    if (!message_) {
      auto header = co_await read_header();
      if (!header) co_return std::unexpected(header.error());
      if (header->type == RecordType::end) {
        if (header->size != 0) co_return broken("an end with something in it");
        ended_ = true;
        co_return Event{RecordType::end, {}};
      }
      if (trailers_seen_) co_return broken("something between trailers and the end");
      if (header->type == RecordType::data) {
        left_ = header->size;
        content_seen_ = content_seen_ || left_ > 0;
        continue;
      }
      if (header->type == RecordType::head && content_seen_) co_return broken("a head behind content");
      if (header->size > kMaxRecord) co_return broken("a head that is too large");
      message_ = *header;
    }
    const RecordType type = message_->type;
    auto read = co_await read_message();
    if (!read) co_return std::unexpected(read.error());
    trailers_seen_ = type == RecordType::trailers;
    co_return Event{type, {}};
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
