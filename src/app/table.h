// table.h: rows for a terminal, and the fields of an admin endpoint's JSON answer that fill them.
#pragma once
#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::app {

// Columns as wide as their widest cell.
std::string table(const std::vector<std::vector<std::string>>& rows);

// A field's value, or nothing of its kind. Texts are fit for a terminal, which must not be steered by what others wrote.
std::string text_of(const boost::json::object& o, std::string_view key);
double number_of(const boost::json::object& o, std::string_view key);
bool flag_of(const boost::json::object& o, std::string_view key);

}  // namespace fairlead::app
