"""A throwaway cluster to try everything on."""
