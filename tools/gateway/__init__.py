"""The gateway between meters and the chain: signs readings, batches them, submits, proves.

``readings`` says what a reading is and who signed it, ``batching`` makes the headers that the
contract ``devices`` takes, ``store`` keeps raw readings on disk, ``submitting`` brings batches to
the chain and goes on where it was cut off, ``proofs`` answers with inclusion proofs, and
``meterfile`` replays a meter's file. Meters' own protocols are no part of it yet.
"""
