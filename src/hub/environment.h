// Reading environment variables the way the Hub's own client and pip do.
#ifndef MALMOI_HUB_ENVIRONMENT_H_
#define MALMOI_HUB_ENVIRONMENT_H_

#include <filesystem>
#include <string>

namespace malmoi::hub {

// The variable's value; empty when it is not set.
std::string Env(const char* name);
// HOME, else the home of the user database.
std::filesystem::path HomeFolder();
// Replaces a leading ~ and $NAME or ${NAME}; unknown names stay.
std::filesystem::path ExpandPath(const std::string& path);
std::string TrimSpace(const std::string& text);
std::string UpperCase(std::string text);
std::string LowerCase(std::string text);

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_ENVIRONMENT_H_
