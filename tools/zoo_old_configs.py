"""config.json in the words of transformers 4, as most published files are."""

ALWAYS_KEPT = ("rope_theta", "partial_rotary_factor")


def old_rope(old, rope):
    """rope_parameters apart: rope_theta, partial_rotary_factor, rope_scaling.
    The oldest files call the kind of scaling "type"."""
    rope = rope.get("full_attention", rope)
    for name in ALWAYS_KEPT:
        if name in rope:
            old[name] = rope[name]
    scaling = {key: value for key, value in rope.items()
               if key not in ALWAYS_KEPT}
    if scaling["rope_type"] in ("linear", "dynamic", "longrope"):
        scaling["type"] = scaling.pop("rope_type")
    elif scaling["rope_type"] == "yarn" and old["model_type"] == "llama":
        scaling["type"] = scaling.pop("rope_type")
    default = scaling.get("rope_type") == "default"
    old["rope_scaling"] = None if default else scaling


def old_config(config):
    """None where nothing but dtype was called otherwise, and for olmo3, whose
    rope_theta transformers 5 takes for full attention only."""
    if "rope_parameters" not in config or config["model_type"] == "olmo3":
        return None
    old = dict(config)
    old_rope(old, old.pop("rope_parameters"))
    old["torch_dtype"] = old.pop("dtype")
    old["transformers_version"] = "4.51.3"
    kind = config["model_type"]
    if kind == "gpt_neox":
        old["rotary_emb_base"] = old.pop("rope_theta")
        old["rotary_pct"] = old.pop("partial_rotary_factor")
    elif kind == "gemma":
        old["hidden_act"] = "gelu"  # means the one with tanh
    elif kind in ("gemma2", "qwen2", "qwen3", "qwen2_moe"):
        old.pop("layer_types")
    elif kind == "cohere2":
        old.pop("layer_types")
        old["sliding_window_pattern"] = 4
    elif kind == "lfm2":
        old["full_attn_idxs"] = [
            i for i, layer in enumerate(old.pop("layer_types"))
            if layer == "full_attention"]
        old["block_ff_dim"] = old.pop("intermediate_size")
    return dict(sorted(old.items()))
