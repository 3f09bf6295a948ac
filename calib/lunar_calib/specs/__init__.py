"""Which pair to render: specs of terrain, cameras, sun and detector, drawn from a seed."""
