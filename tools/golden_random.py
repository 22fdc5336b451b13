"""Random models and files, for the make_golden_ scripts of the small zoo.

Used by make_golden_encoders.py, make_golden_seq2seq.py, make_golden_mamba.py.
"""
import copy, json, math, os
import torch, transformers
from safetensors import safe_open
from safetensors.torch import save_file

torch.set_num_threads(1)
transformers.utils.logging.disable_progress_bar()

VERSIONS = f"transformers {transformers.__version__}, torch {torch.__version__}"


@torch.no_grad()
def randomize(model, seed, gains=(), special=None):
    """Fills all weights with random numbers that bfloat16 holds exactly.

    gains: (part of a name, gain) of matrices and embeddings, the first that
    fits counts. special: name, random normal numbers -> values, or None.
    """
    numbers = torch.Generator().manual_seed(seed)
    embeddings = {id(m.weight) for m in model.modules()
                  if isinstance(m, torch.nn.Embedding)}
    stored = dict(model.state_dict())  # with those buffers that are stored
    done = set()
    for name, w in [*model.named_parameters(), *model.named_buffers()]:
        if name not in stored or w.data_ptr() in done:
            continue
        done.add(w.data_ptr())
        if not w.dtype.is_floating_point:
            continue
        if isinstance(w, torch.nn.Parameter) and not w.requires_grad:
            continue  # computed, not learned
        random = torch.randn(w.shape, generator=numbers)
        gain = next((g for part, g in gains if part in name), None)
        values = special(name, random) if special else None
        if values is None and id(w) in embeddings:
            values = (0.5 if gain is None else gain) * random
        elif values is None and w.dim() >= 2 and w.shape[0] > 1:
            values = ((1.5 if gain is None else gain) * random /
                      math.sqrt(w[0].numel()))
        elif values is None and "bias" in name:
            values = 0.3 * random
        elif values is None and w.dim() == 2:  # one row: a score
            values = 1.5 * random / math.sqrt(w.shape[1])
        elif values is None:  # norms
            values = 1 + 0.3 * random
        w.copy_(values.bfloat16().float())
    return model


def build(cls, config, seed, gains=(), special=None):
    config = copy.deepcopy(config)
    config._attn_implementation = "eager"
    config.dtype = torch.float32
    torch.manual_seed(0)
    return randomize(cls(config).eval(), seed, gains, special)


def reload(model, folder):
    """The model as transformers reads it from the files."""
    return type(model).from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()


def save(folder, model, tensors, about):
    """config.json, model.safetensors in bf16, expected.safetensors."""
    os.makedirs(folder, exist_ok=True)
    small = copy.deepcopy(model).bfloat16()
    small.save_pretrained(folder)
    tensors = {name: value.contiguous().clone()
               for name, value in tensors.items()}
    save_file(tensors, f"{folder}/expected.safetensors", metadata={
        "about": json.dumps(about | {"made_with": VERSIONS},
                            ensure_ascii=False)})


def load_expected(folder):
    with safe_open(f"{folder}/expected.safetensors", "pt") as f:
        return {name: f.get_tensor(name) for name in f.keys()}


class Watch:
    """Keeps what enters the first of some modules and what leaves each."""

    def __init__(self, first, modules):
        self.entered, self.left = [], []
        self.hooks = [first.register_forward_pre_hook(
            self.enter, with_kwargs=True)]
        for module in dict.fromkeys(modules):
            self.hooks.append(module.register_forward_hook(self.leave))

    def enter(self, module, inputs, named):
        value = inputs[0] if inputs else named["hidden_states"]
        self.entered.append(value.detach().clone())

    def leave(self, module, inputs, output):
        value = output[0] if isinstance(output, tuple) else output
        self.left.append(value.detach().clone())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()


def print_tensors(folder):
    """Names and shapes, for the README."""
    with safe_open(f"{folder}/model.safetensors", "pt") as f:
        for name in f.keys():
            print(f"  {name} {list(f.get_slice(name).get_shape())}")
