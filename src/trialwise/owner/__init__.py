"""Commands that need the store, carried out by whoever owns it: a live server when there is one, else this process."""
