// label.h: a node's label as it is given on the command line: KEY=VALUE.
#pragma once
#include <string>
#include <string_view>

#include "route/values.h"

namespace fairlead::cli {

struct Label {
  std::string key, value;
  static Result<Label> parse(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return fail(Code::invalid, "\"{}\": write KEY=VALUE", text);
    Label label{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
    TRY(route::check_label_key(label.key));
    TRY(route::check_label_value(label.value));
    return label;
  }
};

}  // namespace fairlead::cli
