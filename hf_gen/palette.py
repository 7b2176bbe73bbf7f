"""The colours of runs, in figures and in the demo."""

# Each has a contrast of 3:1 or more on both backgrounds, and any two stay apart (a colour distance
# of 25 or more in CIELAB) for normal vision, deuteranopia and protanopia.
PALETTE = (
    "#2591fc",
    "#fc5400",
    "#117262",
    "#af00af",
    "#58a064",
    "#2549fc",
    "#ce71bf",
    "#bf1c1c",
)
