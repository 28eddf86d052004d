"""Hostile mail, drawn by seed and looked at in process: what is drawn, the layers it goes through, and who watches."""
