"""`configs/` as typed models: OTX's own files, the parameters they offer, and the options they come to."""
