#include "route/request_key.h"

#include "route/balancer.h"
#include "route/keyed_hash.h"

namespace fairlead::route {
namespace {

// Where the n-th part of `text` between `separator`s is, from 1. Empty and at the end, if there are not so many.
std::string_view part(std::string_view text, char separator, unsigned n) {
  for (; n > 1; n--) {
    const std::size_t end = text.find(separator);
    if (end == text.npos) return text.substr(text.size());
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find(separator));
}

std::string_view segment(std::string_view path, unsigned n) {
  return path.starts_with('/') ? part(path.substr(1), '/', n) : std::string_view();
}

}  // namespace

std::string_view node_named_in(const RequestToMatch& request, const NodeFrom& from) {
  switch (from.where) {
    case NodeFrom::Where::path_segment: return segment(request.path, from.index);
    case NodeFrom::Where::host_label: return part(request.host, '.', from.index);
    case NodeFrom::Where::header: {
      const http::Field* field = request.fields.find(from.header);
      return field != nullptr ? field->value : std::string_view();
    }
  }
  return {};
}

std::string_view cookie_in(const http::Fields& fields, std::string_view name) {
  for (const http::Field& field : fields) {
    if (!http::equal_name(field.name, "Cookie")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      std::string_view pair = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
      while (pair.starts_with(' ')) pair.remove_prefix(1);
      if (pair.size() > name.size() && pair[name.size()] == '=' && pair.starts_with(name)) return pair.substr(name.size() + 1);
    }
  }
  return {};
}

std::optional<std::uint64_t> hash_of(const RequestToMatch& request, const net::SocketAddress& client, const Balancing& balancing) {
  std::string_view text;
  switch (balancing.hash_on) {
    case Balancing::HashOn::source: text = {reinterpret_cast<const char*>(client.ip.data()), client.ip.size()}; break;
    case Balancing::HashOn::header:
      if (const http::Field* field = request.fields.find(balancing.hash_name)) text = field->value;
      break;
    case Balancing::HashOn::cookie: text = cookie_in(request.fields, balancing.hash_name); break;
    case Balancing::HashOn::path: text = request.path; break;
  }
  if (text.empty()) return {};
  return keyed_hash({}, text);
}

std::string_view strip_node(const Backend& backend, std::string_view path) {
  if (!backend.node_from || !backend.node_from->strip || backend.node_from->where != NodeFrom::Where::path_segment) return path;
  const std::string_view named = segment(path, backend.node_from->index);
  if (named.empty()) return path;
  const std::string_view rest = path.substr(static_cast<std::size_t>(named.data() + named.size() - path.data()));
  return rest.empty() ? std::string_view("/") : rest;
}

}  // namespace fairlead::route
