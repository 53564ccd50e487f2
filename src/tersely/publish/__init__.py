"""A checkpoint made public: the card that says what it is, and the push to the Hugging Face hub."""
