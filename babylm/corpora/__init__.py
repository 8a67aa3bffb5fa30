"""Text: sources, the rules' word count, cleaning, datasheet, tokenizer, packed corpus. Nothing here imports torch."""
