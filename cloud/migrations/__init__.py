"""How the store's schema came to be, step by step; alembic runs what is missing when a store is opened."""
