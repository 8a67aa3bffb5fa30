"""Text: sources, the rules' word count, cleaning, datasheet, tokenizer and packed shards. No torch in here."""
