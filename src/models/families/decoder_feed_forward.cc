// The feed-forward of a block, gated (Shazeer 2020) or not.
#include "models/families/decoder_family.h"

namespace malmoi::models {

using ops::Activations;

void DecoderFamily::FeedForward(Exec& exec, Batch& batch, int64_t index,
                                const Activations& input) const {
  const DecoderLayer& layer = weights_.layers[static_cast<size_t>(index)];
  const FeedForwardSpec& spec = spec_.feed_forward;
  TapInput(exec, index, "feed_forward_input", input);
  Arena::Scope scope(exec.arena);
  FetchAhead(exec, batch.rows, layer.down);
  const Activations hidden = models::Hidden(
      exec, input, spec.activation, layer.first(),
      spec.gated ? &layer.up : nullptr, layer.down, spec.gate_scale);
  TapInput(exec, index, "feed_forward_hidden", hidden);
  FetchAhead(exec, batch.rows,
             index + 1 < spec_.layers
                 ? weights_.layers[static_cast<size_t>(index) + 1].entry()
                 : weights_.head);
  AddProduct(exec, batch, hidden, layer.down, layer.post_feed_forward_norm,
             spec.added_scale);
}

}  // namespace malmoi::models
