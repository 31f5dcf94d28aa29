// The timestamp room has no facts or actions of its own: a timestamp stands beside the checkpoint that it is about.

export {}
