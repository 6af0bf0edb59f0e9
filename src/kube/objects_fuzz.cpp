// Lists, watches and objects of anything: the same whatever the cuts, and whatever is put into an index can be taken out again.
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <string>
#include <vector>

#include "kube/index.h"
#include "kube/json_items.h"

namespace fairlead::kube {
namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

struct Seen {
  std::vector<std::string> items;
  bool good = true;
};

Seen read(JsonItems::Shape shape, const Wanted& wanted, std::string_view text, std::size_t step) {
  Seen seen;
  JsonItems items(shape, wanted);
  for (std::size_t at = 0; at < text.size() && seen.good; at += step)
    seen.good = items
                    .feed(text.substr(at, step),
                          [&](boost::json::object& item) -> Result<void> {
                            seen.items.push_back(boost::json::serialize(item));
                            return {};
                          })
                    .has_value();
  seen.good = seen.good && items.end().has_value();
  return seen;
}

void try_index(Kind kind, const Wanted& wanted, std::string_view text) {
  Index index;
  JsonItems items(JsonItems::Shape::watch, wanted);
  std::vector<std::string> keys;
  std::ignore = items.feed(text, [&](boost::json::object& event) -> Result<void> {
    const boost::json::value* object = event.if_contains("object");
    if (object == nullptr || !object->is_object()) return {};
    must(index.put(kind, object->get_object()).has_value());
    keys.push_back(key_of(object->get_object()));
    return {};
  });
  const auto directory = index.directory();
  const auto connected = [](const NodeName&) { return Standing::connected; };
  for (const char* host : {"edge-a", "10.1.0.5", "10.96.0.20", "web.default.svc"}) std::ignore = directory->find({host, 443}, connected, 3);
  for (const std::string& key : keys) index.remove(kind, key);
  must(index.size(kind) == 0);
  const Directory::Sizes sizes = index.directory()->sizes();
  must(sizes.nodes + sizes.pods + sizes.services + sizes.endpoints == 0);
  must(index.directory()->find({"10.1.0.5", 443}, connected) == index.directory()->find({"10.1.0.5", 443}, connected));
}

}  // namespace
}  // namespace fairlead::kube

// The first byte says what the rest is, and how many bytes come at a time.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace fairlead::kube;
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Wanted* kinds[] = {&NodeObject::wanted(), &PodObject::wanted(), &ServiceObject::wanted(), &SliceObject::wanted()};
  const std::size_t kind = data[0] % 4;
  const auto shape = static_cast<JsonItems::Shape>(data[0] / 4 % 3);
  const Seen whole = read(shape, *kinds[kind], text, text.size() + 1);
  const Seen pieces = read(shape, *kinds[kind], text, 1 + data[0] / 12);
  must(whole.good == pieces.good);
  if (whole.good) must(whole.items == pieces.items);
  if (shape == JsonItems::Shape::watch) try_index(static_cast<Kind>(kind), *kinds[kind], text);
  return 0;
}
