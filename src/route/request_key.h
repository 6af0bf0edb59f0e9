// request_key.h: what of a request leads it to an endpoint: the node that it names, and the text that is hashed.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "route/http_rules.h"
#include "route/model.h"

namespace fairlead::route {

// The text where a node's name is to be; empty: there is none.
std::string_view node_named_in(const RequestToMatch& request, const NodeFrom& from);

// Nothing when the request does not have it.
std::optional<std::uint64_t> hash_of(const RequestToMatch& request, const net::SocketAddress& client, const Balancing& balancing);

// The value of the first cookie of that name (RFC 6265, 4.2.1); empty: there is none.
std::string_view cookie_in(const http::Fields& fields, std::string_view name);

}  // namespace fairlead::route
