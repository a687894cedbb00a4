import pytest

pytest.register_assert_rewrite("scenarios.running")
