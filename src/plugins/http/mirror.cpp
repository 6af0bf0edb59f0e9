#include "plugins/http/mirror.h"

#include "runtime/timer.h"

namespace fairlead::http_plugin {
namespace {

struct Mirror {
  route::Pick pick;
  wire::FlowOpen open;
  bool has_body;
  std::string body;
};

// The status of the answer, once it is over.
Task<Result<unsigned>> exchange(link::Peers& peers, const Mirror& mirror) {
  wire::FlowOpen open = mirror.open;
  link::Destination to{mirror.pick.endpoint.node};
  auto flow = co_await peers.open(std::move(to), std::move(open));
  if (!flow) co_return std::unexpected(link::to_error(flow.error()));
  RecordWriter writer(**flow);
  if (mirror.has_body) {
    const Bytes bytes = as_bytes(mirror.body);
    auto sent = co_await writer.data(bytes);
    if (!sent) co_return std::unexpected(sent.error());
  }
  const http::Fields no_trailers;
  auto ended = co_await writer.finish(no_trailers);
  if (!ended) co_return std::unexpected(ended.error());
  auto reply = co_await (*flow)->reply();
  if (!reply) co_return std::unexpected(link::to_error(reply.error()));
  RecordReader reader(**flow);
  unsigned status = 0;
  for (;;) {
    auto event = co_await reader.next();
    if (!event) co_return std::unexpected(event.error());
    if (event->type == RecordType::head) status = reader.response().status;
    if (event->type == RecordType::data) reader.consume(event->data.size());
    if (event->type == RecordType::end) co_return status;
  }
}

Task<void> run(Ingress& ingress, std::unique_ptr<Mirror> mirror) {
  const TimePoint deadline = ingress.loop().now() + kMirrorTimeout;
  auto status = co_await with_deadline<unsigned>(ingress.loop(), deadline, "mirror", exchange(ingress.peers, *mirror));
  mirror->pick.lease.report(status && *status < 500 ? route::Outcome::success : route::Outcome::failure);
}

}  // namespace

void send_mirror(Ingress& ingress, route::Pick pick, wire::FlowOpen open, bool has_body, std::string body) {
  if (ingress.mirrors->size() >= kMaxMirrorsAtOnce) return;
  ingress.counters.mirrored++;
  auto mirror = std::make_unique<Mirror>(Mirror{std::move(pick), std::move(open), has_body, std::move(body)});
  ingress.mirrors->spawn(run(ingress, std::move(mirror)));
}

}  // namespace fairlead::http_plugin
