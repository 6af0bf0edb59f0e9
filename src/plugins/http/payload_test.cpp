#include "plugins/http/payload.h"

#include <gtest/gtest.h>

#include "link/link_world.h"

namespace fairlead::http_plugin {
namespace {

using namespace std::literals;
using FieldTexts = std::vector<std::pair<std::string, std::string>>;

// Says what the test wants, in pieces, and ends its half or breaks off; keeps what it is told.
class BytesEgress final : public link::Egress {
 public:
  std::string_view plugin() const override { return kPlugin; }
  Task<void> serve(std::unique_ptr<link::Flow> flow) override {
    heard.clear();
    heard_end = false;
    auto accepted = co_await flow->accept();
    if (!accepted) co_return;
    for (std::string_view left = says; !left.empty();) {
      const Bytes piece_bytes = as_bytes(left.substr(0, piece));
      auto written = co_await flow->write(piece_bytes);
      if (!written) co_return;
      left.remove_prefix(std::min(piece, left.size()));
      if (piece < says.size()) co_await flow->loop().sleep(1ms);
    }
    if (breaks_off) co_await flow->loop().sleep(100ms);
    if (breaks_off) co_return;
    static_cast<void>(flow->shut());
    for (;;) {
      auto bytes = co_await flow->peek();
      if (!bytes) co_return;
      if (bytes->empty()) break;
      heard += as_text(*bytes);
      flow->consume(bytes->size());
    }
    heard_end = true;
  }
  std::string says;
  std::size_t piece = SIZE_MAX;
  bool breaks_off = false;
  std::string heard;
  bool heard_end = false;
};

struct Seen {
  std::string events;  // "h200 d d t e"
  std::string content;
  FieldTexts trailers;
  std::optional<Code> failure;
};

class Payload : public ::testing::Test {
 public:
  Payload() : world({.rtt = 2ms}), edge(world.edge("edge-a")) {
    edge.egresses = {};
    edge.egresses.add(egress);
    world.loop.run(edge.link->connected(), 10s);
  }
  ~Payload() override {
    edge.tasks.cancel_now();
    edge.link.reset();
  }

  Task<std::unique_ptr<link::Flow>> open() {
    wire::FlowOpen open{.plugin = std::string(kPlugin), .backend = "b", .target = "t:1"};
    auto to = link::to_node("edge-a");
    auto flow = co_await world.cloud_link->open(std::move(to), std::move(open));
    co_return std::move(flow.value());
  }

  // `most`: how much of content is consumed at once.
  Task<Seen> read_all(std::size_t most) {
    Seen seen;
    auto flow = co_await open();
    auto reply = co_await flow->reply();
    EXPECT_TRUE(reply);
    RecordReader reader(*flow);
    for (bool end = false;;) {
      auto event = co_await reader.next();
      if (!event) {
        seen.failure = event.error().code();
        co_return seen;
      }
      if (end) {
        EXPECT_EQ(event->type, RecordType::end) << "again, once the half is over";
        co_return seen;
      }
      switch (event->type) {
        case RecordType::head: seen.events += fmt::format("h{} ", reader.response().status); break;
        case RecordType::data: {
          EXPECT_FALSE(event->data.empty());
          if (!seen.events.ends_with("d ")) seen.events += "d ";
          const Bytes some = event->data.first(std::min(most, event->data.size()));
          seen.content += as_text(some);
          reader.consume(some.size());
          break;
        }
        case RecordType::trailers:
          seen.events += "t ";
          for (const http::Field& f : reader.trailers()) seen.trailers.emplace_back(f.name, f.value);
          break;
        case RecordType::end:
          seen.events += "e";
          end = true;
          break;
      }
    }
  }
  Seen read(std::string says, std::size_t piece = SIZE_MAX, std::size_t most = SIZE_MAX) {
    egress.says = std::move(says);
    egress.piece = piece;
    return world.loop.run(read_all(most), 60s);
  }

  // What a writer makes of it.
  using Write = Task<void> (*)(RecordWriter& writer);
  Task<void> write_all(Write write) {
    auto flow = co_await open();
    RecordWriter writer(*flow);
    co_await write(writer);
    auto reply = co_await flow->reply();
    EXPECT_TRUE(reply);
    auto end = co_await flow->peek();
    EXPECT_TRUE(end);
  }
  std::string written(Write write) {
    egress.says.clear();
    world.loop.run(write_all(write), 60s);
    world.loop.run_for(1s);
    EXPECT_TRUE(egress.heard_end);
    return egress.heard;
  }

  link::LinkWorld world;
  link::TestEdge& edge;
  BytesEgress egress;
};

// --- records by hand

std::string record(RecordType type, std::string_view body) {
  std::array<std::byte, wire::kMaxLength> length;
  const std::size_t n = wire::put_varint(length, body.size());
  return std::string(1, static_cast<char>(type)) + std::string(as_text(Bytes(length).first(n))) + std::string(body);
}
std::string head(unsigned status) {
  http::Response r;
  r.status = status;
  r.fields.add("A", "b");
  r.upgrade = status == 101 ? "x" : "";
  std::string body;
  EXPECT_TRUE(wire::encode_http_response(body, r, kMaxRecord));
  return record(RecordType::head, body);
}
std::string content(std::string_view bytes) { return record(RecordType::data, bytes); }
std::string trailers() {
  http::Fields fields;
  fields.add("X-Sum", "9");
  std::string body;
  EXPECT_TRUE(wire::encode_http_trailers(body, fields, kMaxRecord));
  return record(RecordType::trailers, body);
}
const http::Fields kNone;
const std::string kEnd = record(RecordType::end, "");

TEST_F(Payload, AMessageIsReadHoweverItIsCut) {
  const std::string whole = head(100) + head(200) + content("abc") + content("") + content("defgh") + trailers() + kEnd;
  for (std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, std::size_t{1000}}) {
    for (std::size_t most : {std::size_t{1}, std::size_t{2}, SIZE_MAX}) {
      const Seen seen = read(whole, piece, most);
      EXPECT_FALSE(seen.failure);
      EXPECT_EQ(seen.events, "h100 h200 d t e");
      EXPECT_EQ(seen.content, "abcdefgh");
      EXPECT_EQ(seen.trailers, (FieldTexts{{"X-Sum", "9"}}));
    }
  }
}

TEST_F(Payload, OneThatIsCutAtAnyByteIsNeverWhole) {
  const std::string whole = head(100) + head(200) + content("abcdef") + trailers() + kEnd;
  for (const bool breaks_off : {false, true}) {
    egress.breaks_off = breaks_off;
    for (std::size_t n = 0; n < whole.size(); n++) {
      const Seen seen = read(whole.substr(0, n));
      ASSERT_TRUE(seen.failure) << n;
      EXPECT_EQ(*seen.failure, Code::reset) << n;
      EXPECT_FALSE(seen.events.ends_with("e"));
    }
  }
  // After END but without the end of the half, it is still one that broke off.
  EXPECT_EQ(read(whole).failure, Code::reset);
}

TEST_F(Payload, WhatTheGrammarDoesNotHaveIsRefused) {
  for (const std::string& bad : {
           "\x00\x00"s,
           "\x05\x00"s,
           "\xff\x00"s,                   // types
           record(RecordType::end, "x"),  // an end with something in it
           head(200) + kEnd + "x",
           head(200) + kEnd + kEnd,                // something behind the end
           head(200) + content("x") + head(200),   // a head behind content
           head(200) + trailers() + content("x"),  // content behind trailers
           head(200) + trailers() + trailers(),
           trailers() + head(200),
           record(RecordType::head, ""),
           record(RecordType::head, "nonsense"),
           record(RecordType::trailers, "\xff"),
           "\x01\x80\x01\x00\x01"s,  // one byte more than a head may have
           "\x03\xff\xff\xff\xff\xff\xff\xff\xff"s,
       }) {
    EXPECT_EQ(read(bad).failure, Code::invalid) << testing::PrintToString(bad);
    EXPECT_EQ(read(bad, 1).failure, Code::invalid) << testing::PrintToString(bad);
  }
}

TEST_F(Payload, AHeadAtTheLimitIsRead) {
  http::Response r;
  r.status = 200;
  std::string value(kMaxRecord - 20, 'v');
  r.fields.add("V", value);
  std::string body;
  ASSERT_TRUE(wire::encode_http_response(body, r, kMaxRecord));
  value.resize(value.size() + kMaxRecord - body.size(), 'v');
  r.fields.clear();
  r.fields.add("V", value);
  body.clear();
  ASSERT_TRUE(wire::encode_http_response(body, r, kMaxRecord));
  ASSERT_EQ(body.size(), kMaxRecord);
  EXPECT_EQ(read(record(RecordType::head, body) + kEnd).events, "h200 e");
}

TEST_F(Payload, ContentOfAnyLengthIsOneRecord) {
  // A header that promises more than can ever come is no reason to wait with what is there, nor to keep room for it.
  const std::string huge = head(200) + "\x02\xff\xff\xff\xff\xff\xff\xff\xff"s + "abc";
  const Seen seen = read(huge);
  EXPECT_EQ(seen.content, "abc");
  EXPECT_EQ(seen.failure, Code::reset);
}

TEST_F(Payload, BytesBehindARecordStayInTheFlow) {
  struct Raw {
    static Task<std::string> run(Payload& test) {
      auto flow = co_await test.open();
      auto reply = co_await flow->reply();
      EXPECT_TRUE(reply);
      RecordReader reader(*flow);
      auto event = co_await reader.next();
      EXPECT_EQ(event->type, RecordType::head);
      EXPECT_EQ(reader.response().status, 101u);
      auto bytes = co_await flow->peek();
      co_return std::string(as_text(*bytes));
    }
  };
  egress.says = head(101) + "raw";
  EXPECT_EQ(world.loop.run(Raw::run(*this), 10s), "raw");
}

TEST_F(Payload, ACallThatIsCancelledLosesNothing) {
  struct Impatient {
    static Task<void> look(RecordReader& reader, std::optional<RecordType>& got) {
      auto event = co_await reader.next();
      if (event) got = event->type;
    }
    static Task<void> run(Payload& test, std::string& order) {
      auto flow = co_await test.open();
      auto reply = co_await flow->reply();
      EXPECT_TRUE(reply);
      RecordReader reader(*flow);
      while (order.size() < 4) {
        std::optional<RecordType> got;
        Scope once(flow->loop());
        once.spawn(look(reader, got));
        co_await flow->loop().sleep(300us);  // less than from one byte to the next
        if (!got) continue;
        order += static_cast<char>('0' + static_cast<int>(*got));
        if (*got == RecordType::data) reader.consume(1);
      }
    }
  };
  egress.says = head(200) + content("x") + trailers() + kEnd;
  egress.piece = 1;
  std::string order;
  world.loop.run(Impatient::run(*this, order), 10s);
  EXPECT_EQ(order, "1234");
}

// --- writing

TEST_F(Payload, AHeadAndTrailersAreRecordsWithTheEnd) {
  const std::string all = written([](RecordWriter& writer) -> Task<void> {
    http::Response r;
    r.status = 200;
    http::Fields fields;
    fields.add("X-Sum", "9");
    auto head_sent = co_await writer.head(r);
    EXPECT_TRUE(head_sent);
    auto ended = co_await writer.finish(fields);
    EXPECT_TRUE(ended);
  });
  EXPECT_TRUE(all.ends_with(kEnd));
  egress.says = all;
  const Seen seen = world.loop.run(read_all(SIZE_MAX), 10s);
  EXPECT_EQ(seen.events, "h200 t e");
}

TEST_F(Payload, ContentOfUnknownLengthIsWhatWasWritten) {
  const std::string all = written([](RecordWriter& writer) -> Task<void> {
    // Each size of a piece, so that each rest of a send buffer is met.
    std::string piece;
    for (std::size_t n = 1; n < 700; n++) {
      piece.assign(n, static_cast<char>('a' + n % 26));
      const Bytes bytes = as_bytes(piece);
      auto sent = co_await writer.data(bytes);
      EXPECT_TRUE(sent);
    }
    auto room = co_await writer.prepare();
    EXPECT_TRUE(room && !room->empty());
    writer.commit(0);
    auto ended = co_await writer.finish(kNone);
    EXPECT_TRUE(ended);
  });
  std::string expected;
  for (std::size_t n = 1; n < 700; n++) expected.append(n, static_cast<char>('a' + n % 26));
  egress.says = head(200) + all;
  const Seen seen = world.loop.run(read_all(SIZE_MAX), 60s);
  EXPECT_EQ(seen.events, "h200 d e");
  EXPECT_TRUE(seen.content == expected);
}

TEST_F(Payload, ContentOfKnownLengthIsOneRecord) {
  static constexpr std::size_t kSize = 100'000;
  const std::string all = written([](RecordWriter& writer) -> Task<void> {
    writer.expect(kSize);
    const std::string most(kSize - 1, 'x');
    const Bytes bytes = as_bytes(most);
    auto sent = co_await writer.data(bytes);
    EXPECT_TRUE(sent);
    auto room = co_await writer.prepare();
    EXPECT_TRUE(room);
    EXPECT_EQ(room->size(), 1u) << "no more than was said";
    (*room)[0] = std::byte{'y'};
    writer.commit(1);
    auto ended = co_await writer.finish(kNone);
    EXPECT_TRUE(ended);
  });
  EXPECT_EQ(all.size(), kSize + 7);
  EXPECT_TRUE(all == content(std::string(kSize - 1, 'x') + "y") + kEnd);
}

TEST_F(Payload, MoreThanWasSaidIsAFailure) {
  written([](RecordWriter& writer) -> Task<void> {
    writer.expect(2);
    const Bytes three = as_bytes("abc");
    auto sent = co_await writer.data(three);
    EXPECT_EQ(sent.error().code(), Code::internal);
    auto ended = co_await writer.finish(kNone);
    EXPECT_TRUE(ended);
  });
}

}  // namespace
}  // namespace fairlead::http_plugin
