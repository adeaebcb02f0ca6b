"""fastnn beside its peers on one NVIDIA GPU: the items of gpu.py, and how each library is used there (`*_on_gpu.py`)."""
