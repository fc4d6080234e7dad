"""Places an order in the database of the checkout it is run in, and makes it two hours late, as one in an old backup is."""

from neurocards import drafts, orders
from neurocards.config import DatabaseSettings, load
from neurocards.db import connect, db

connect(load(DatabaseSettings).database_url.get_secret_value())
orders.meet(8, "Пётр", "ru", 5)
photo = orders.save_photo(8, b"jpeg", 720, 1280)
product = {"photo_id": photo, "description": "Кружка", "template": "ugc", "wishes": "", "count": 1}
draft = drafts.save(8, 8, state="confirm", **product)
orders.place(8, 8, draft.id, draft.version, 100)
with db:
    db.execute_sql("UPDATE jobs SET deadline_at = now() - interval '2 hours'")
