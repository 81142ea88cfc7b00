"""From a checkpoint to a bundle: the only part of streamscribe that needs PyTorch."""
