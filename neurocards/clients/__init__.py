"""The vendors' border: one client a vendor. Past it only ProviderError is known, no vendor's exception."""
