"""What both doors share: the model, the store, the pipeline, the carriers, and the command."""
