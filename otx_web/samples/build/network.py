"""What the networks of the samples are made of, how they are trained, and how they are exported."""

from collections.abc import Callable

import openvino as ov
import torch
from torch import Tensor, nn

from otx_web.samples.build.digits import Pixels

MEAN, SCALE = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet's, as OTX writes them
SPREAD_DEPTHWISE, SPREAD_POINTWISE = 2.0, 0.7
"""Standard deviation of the logarithm of the scales that batch normalisation begins with."""


def begin(seed: int, threads: int = 1) -> None:
    """From here on chance is the same each time, and sums are: another number of threads adds in another order."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)


def block(
    inside: int,
    outside: int,
    stride: int = 1,
    *,
    depthwise_spread: float = SPREAD_DEPTHWISE,
    pointwise_spread: float = SPREAD_POINTWISE,
) -> nn.Sequential:
    """A depthwise and a pointwise convolution, each with its batch normalisation (Howard et al. 2017, figure 3)."""
    depthwise, pointwise = nn.BatchNorm2d(inside), nn.BatchNorm2d(outside)
    for norm, spread in ((depthwise, depthwise_spread), (pointwise, pointwise_spread)):
        n = norm.num_features
        quantiles = torch.special.ndtri((torch.randperm(n) + 0.5) / n)  # of the normal distribution: its tail too
        norm.weight.data = torch.exp(quantiles * spread)
    return nn.Sequential(
        nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False),
        depthwise,
        nn.SiLU(),
        nn.Conv2d(inside, outside, 1, bias=False),
        pointwise,
        nn.SiLU(),
    )


def stem(outside: int) -> nn.Sequential:
    """The first convolution, which halves the picture."""
    return nn.Sequential(nn.Conv2d(3, outside, 3, 2, 1, bias=False), nn.BatchNorm2d(outside), nn.SiLU())


def narrow(inside: int, outside: int) -> nn.Sequential:
    """A pointwise convolution, which makes many channels few."""
    return nn.Sequential(nn.Conv2d(inside, outside, 1, bias=False), nn.BatchNorm2d(outside), nn.SiLU())


def normalised(pixels: Pixels) -> Tensor:
    """Pictures [n, height, width, 3] as a network takes them: [n, 3, height, width]."""
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    mean, scale = (torch.tensor(values)[:, None, None] for values in (MEAN, SCALE))
    return (images - mean) / scale


def train(
    network: nn.Module, loss: Callable[[Tensor], Tensor], *, pictures: int, epochs: int, batch: int, rate: float
) -> None:
    """AdamW under a one-cycle schedule. `loss` takes the numbers [batch] of pictures."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.02)
    steps = pictures // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, epochs * steps)
    network.train()
    for _ in range(epochs):
        for chosen in torch.randperm(pictures)[: steps * batch].split(batch):
            optimizer.zero_grad()
            loss(chosen).backward()
            optimizer.step()
            schedule.step()
    network.eval()


def converted(network: nn.Module, side: int) -> ov.Model:
    """As OTX exports: one static picture, NCHW, named `image`."""
    shape = (1, 3, side, side)
    model = ov.convert_model(network, example_input=torch.zeros(shape), input=list(shape))
    model.inputs[0].set_names({"image"})
    return model


def tell(model: ov.Model, *, labels: tuple[str, ...], **info: str) -> None:
    """Write into `rt_info` what Model API needs to know."""
    told = {
        "labels": " ".join(labels),
        "mean_values": " ".join(map(str, MEAN)),
        "scale_values": " ".join(map(str, SCALE)),
        "reverse_input_channels": "False",
        "resize_type": "standard",
        "pad_value": "0",
        **info,
    }
    for name, value in told.items():
        model.set_rt_info(value, ["model_info", name])
