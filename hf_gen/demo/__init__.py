"""The Gradio demo, a file a tab."""
