"""Laboratory: experiments that measure the memory and the gradients of the cells."""
