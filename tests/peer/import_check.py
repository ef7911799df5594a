"""Nets that PyTorch wrote, in wengert: values, gradients, fine-tuning."""

import os
import subprocess
import warnings

import numpy
import torch

CLASSES, FEATURES = 4, 12


def mlp():
    return torch.nn.Sequential(
        torch.nn.Linear(FEATURES, 16), torch.nn.ReLU(), torch.nn.Dropout(0.5),
        torch.nn.Linear(16, 16), torch.nn.Tanh(), torch.nn.Linear(16, CLASSES))


def gelu():
    return torch.nn.Sequential(
        torch.nn.Linear(FEATURES, 16), torch.nn.GELU(), torch.nn.LayerNorm(16),
        torch.nn.Linear(16, CLASSES), torch.nn.Softmax(dim=1))


def odd():
    norm = torch.nn.BatchNorm1d(8)
    with torch.no_grad():  # the exporter writes equal tensors once, and then scale would be variance
        for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            tensor.uniform_(0.5, 1.5)
    return torch.nn.Sequential(
        torch.nn.Linear(FEATURES, 8, bias=False), torch.nn.LeakyReLU(0.2), norm, torch.nn.ELU(),
        torch.nn.Linear(8, CLASSES), torch.nn.LogSoftmax(dim=1))


NETS = {"mlp": mlp, "gelu": gelu, "odd": odd}


def export(net, path, opset, any_batch):
    """With the exporter of the TorchScript era where there is one, else the new one."""
    x = torch.zeros(3, FEATURES)
    axes = {"x": {0: "batch"}, "y": {0: "batch"}} if any_batch else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x,), path, opset_version=opset, input_names=["x"], output_names=["y"],
                          dynamic_axes=axes, dynamo=False)


def gradients(net, x):
    net.zero_grad()
    y = net(x)
    (y ** 2).mean().backward()
    return y.detach().numpy(), {name: p.grad.numpy() for name, p in net.named_parameters()}


def equal(name, ours, theirs, tolerance):
    if ours.shape != theirs.shape and ours.shape == theirs.T.shape:
        ours = ours.T  # a product without bias is written with its weight transposed
    if ours.shape != theirs.shape:
        return f"{name}: {ours.shape} instead of {theirs.shape}"
    if not numpy.allclose(ours, theirs, rtol=tolerance, atol=tolerance):
        return f"{name}: differs by {numpy.abs(ours - theirs).max():.3g}"
    return None


def check_gradients(program, folder, net, model, x):
    """Values to 1e-5; gradients to 1e-4 of every parameter that came with its name."""
    numpy.save(f"{folder}/x.npy", x.numpy())
    done = subprocess.run([program, "grad", model, f"{folder}/x.npy", folder], capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip()
    y, slopes = gradients(net, x)
    why = equal("y", numpy.load(f"{folder}/y.npy"), y, 1e-5)
    names = [n for n in done.stdout.split() if n in slopes]
    if not why and len(names) < len(slopes) / 2:
        why = f"only {names} of {list(slopes)} are parameters"
    for name in names:
        why = why or equal(name, numpy.load(f"{folder}/{name}.npy"), slopes[name], 1e-4)
    return why


def check_training(program, folder, model, x):
    labels = torch.arange(len(x)) % CLASSES
    numpy.save(f"{folder}/x.npy", x.numpy())
    numpy.save(f"{folder}/label.npy", labels.numpy())
    done = subprocess.run([program, "train", model, f"{folder}/x.npy", f"{folder}/label.npy"],
                          capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip()
    first, last = map(float, done.stdout.split())
    return None if last < 0.7 * first else f"the loss goes from {first} to {last}"


def models(program, folder):
    """(what, why) for each; why is None where all is equal."""
    torch.manual_seed(1)
    for name, make in NETS.items():
        net = make().eval()
        for opset in (9, 11, 13, 17, 18, 20):
            for rows in (3, -1, -7):
                what = f"{name} by PyTorch, opset {opset}, " + (f"batch {rows}" if rows > 0 else f"any batch, {-rows}")
                path = f"{folder}/{name}.{opset}.onnx"
                x = torch.randn(abs(rows), FEATURES)
                export(net, path, opset, rows < 0)
                yield what, check_gradients(program, folder, net, path, x)
                os.remove(path)
    path = f"{folder}/tune.onnx"
    export(mlp().eval(), path, 13, True)
    yield "fine-tuning a net by PyTorch", check_training(program, folder, path, torch.randn(32, FEATURES))
