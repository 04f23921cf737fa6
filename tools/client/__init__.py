"""A typed asyncio client for a Carbonode node: JSON-RPC, subscriptions, transactions."""
