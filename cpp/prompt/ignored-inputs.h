#pragma once

#include "generate-options.h"
#include "jinja/jinja.h"

namespace verbatim {

/// Throws Error TemplateIgnoresInput (field input) for an input of which no character is in the prompt: the
/// messages, unless they are blank; and what else was given, if the template does not test it either and the
/// input does not allow that.
void require_no_ignored_input(const jinja::Template& chat_template, const RenderInput& input,
                              const jinja::Rendered& rendered);

} // namespace verbatim
