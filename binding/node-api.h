#pragma once

// The only place that includes node-addon-api, so that its configuration is the same everywhere.
#include <napi.h>
