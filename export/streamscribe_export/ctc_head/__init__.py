"""A CTC head on a frozen Moonshine encoder, made from nothing: speech in, a bundle out."""
