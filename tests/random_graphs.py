"""Random small networks for hypothesis: every layer, nodes read once, twice and by several, outputs inside the graph."""

from hypothesis import strategies as st

import fastnn as fnn

ACTIVATIONS = ("tanh", "relu", "softplus", "softmax")
SMOOTH = ("tanh", "logistic", "softplus", "gelu", "softmax")


@st.composite
def graphs(draw, activations=ACTIVATIONS):
    """A network of up to nine layers, each of earlier nodes; all of them that nobody reads are joined at the end."""
    net = fnn.Network((2, 2) if draw(st.booleans()) else 3, seed=draw(st.integers(0, 3)), dtype="float64")
    nodes = [net.input]

    def one():
        return nodes[draw(st.integers(max(len(nodes) - 4, 0), len(nodes) - 1))]

    def flat(node):
        return node if len(node.shape) == 1 else net.apply(f"f{len(net.nodes)}", fnn.layers.Flatten(), node)

    for k in range(draw(st.integers(1, 9))):
        kind, a = (
            draw(
                st.sampled_from(("dense", "dense", "activation", "add", "concatenate", "flatten", "dropout"))
            ),
            one(),
        )
        name = f"n{k}"
        if kind == "dense":
            node = net.apply(
                name,
                fnn.Dense(draw(st.integers(1, 4)), draw(st.sampled_from(("identity", *activations)))),
                flat(a),
            )
        elif kind == "activation":
            activation = draw(st.sampled_from(activations))
            node = net.apply(
                name, fnn.layers.Activation(activation), flat(a) if activation == "softmax" else a
            )
        elif kind == "flatten":
            node = net.apply(name, fnn.layers.Flatten(), a)
        elif kind == "dropout":
            node = net.apply(name, fnn.Dropout(0.4), a)
        elif kind == "add":
            same = [n for n in nodes if n.shape == a.shape]
            others = draw(st.lists(st.sampled_from(same), min_size=1, max_size=2))
            node = net.apply(name, fnn.Add(), a, *others)
        else:
            node = net.apply(name, fnn.Concatenate(), flat(a), flat(one()))
        nodes.append(node)
    read = {m.index for node in net.graph.nodes for m in node.inputs}
    ends = [flat(node) for node in net.graph.nodes if node.index not in read]
    joined = ends[0] if len(ends) == 1 else net.apply("ends", fnn.Concatenate(), *ends)
    last = draw(st.sampled_from(("dense", "softmax", "view", "inner")))
    net.output = net.apply("out", fnn.Dense(3, "softmax" if last == "softmax" else "identity"), joined)
    if last == "view":
        net.output = net.apply("view", fnn.layers.Flatten(), net.output)
    if last == "inner":  # the output is read inside the network, too
        net.apply("beyond", fnn.Dense(2), net.output)
    return net
