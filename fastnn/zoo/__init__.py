"""The networks that made the history of deep learning, ready to train, and to load PyTorch's published weights into.

    lenet()            LeNet-5                                44,426 parameters
    alexnet()          AlexNet, one tower or grouped          61,100,840 and 60,965,224
    vgg(19)            VGG-11, 13, 16, 19                     132,863,336 to 143,667,240
    googlenet()        GoogLeNet, auxiliary heads, with batch normalisation or without    6,998,552
    resnet(50)         ResNet-18, 34, 50, 101, 152            11,689,512 to 60,192,808
    cifar_resnet(56)   residual and plain networks for 32x32  269,722 with 20 layers

Each takes n_classes, input_shape and width (a factor on every hidden layer, for small ones of the same build).

>>> import fastnn as fnn
>>> fnn.zoo.resnet(18, n_classes=10, input_shape=(3, 32, 32), width=1 / 8)
<Network (3, 32, 32) -> (10,), 60 layers, 177,362 parameters, float32>
"""

from fastnn.zoo.alexnet import alexnet
from fastnn.zoo.cifar import cifar_resnet
from fastnn.zoo.googlenet import googlenet
from fastnn.zoo.lenet import lenet
from fastnn.zoo.resnet import resnet
from fastnn.zoo.vgg import vgg
from fastnn.zoo.weights import export_weights, load_weights, torch_names

__all__ = [
    "alexnet",
    "cifar_resnet",
    "export_weights",
    "googlenet",
    "lenet",
    "load_weights",
    "resnet",
    "torch_names",
    "vgg",
]
