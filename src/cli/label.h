// label.h: a node's label as it is given on the command line.
#pragma once
#include <optional>
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

// A label that is set, or taken away: KEY=VALUE or KEY-, as `kubectl label` has it.
struct LabelChange {
  std::string key;
  std::optional<std::string> value;
  static Result<LabelChange> parse(std::string_view text) {
    if (text.ends_with('-') && text.find('=') == std::string_view::npos) {
      const std::string key(text.substr(0, text.size() - 1));
      TRY(route::check_label_key(key));
      return LabelChange{key, std::nullopt};
    }
    TRY_ASSIGN(Label label, Label::parse(text));
    return LabelChange{std::move(label.key), std::move(label.value)};
  }
};

}  // namespace fairlead::cli
