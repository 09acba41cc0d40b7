"""Builds the samples: draws their pictures, trains their networks, writes the files that lie beside this package.

    python -m otx_web.samples.build [TASK ...] [--into FOLDER]

The only part of `otx_web` that imports an engine, and no part of the web app: it is run by hand, once. On the same kind
of machine it writes the same bytes again.

The networks are meant to show something: quantized with one range a tensor, they lose accuracy one can see. The loss is
not planted in the weights afterwards. Batch normalisation behind a layer makes the scale of each of its channels a free
choice, and large networks of this kind (MobileNet, EfficientNet) end with scales that differ a hundredfold; here they
begin that way, since so few pictures would not drive them apart in training. The SiLU between the layers, as in
EfficientNet, is far from symmetric around zero, and so the mixed preset loses less than the performance preset.
"""
